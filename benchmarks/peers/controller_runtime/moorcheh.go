package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

var errUnknownJob = errors.New("the server knows no such job")

type moorcheh struct {
	base string
	http *http.Client
}

func newMoorcheh(base string, connections int) *moorcheh {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = connections
	return &moorcheh{base, &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

type report struct {
	JobID        string  `json:"job_id"`
	Status       string  `json:"status"`
	TotalItems   int64   `json:"total_items"`
	DeletedItems int64   `json:"deleted_items"`
	LastError    *string `json:"last_error"`
	StartedAt    string  `json:"started_at"`
	UpdatedAt    string  `json:"updated_at"`
	FinishedAt   *string `json:"finished_at"`
	Message      string  `json:"message"`
}

// startDeletion returns the job's id.
func (m *moorcheh) startDeletion(ctx context.Context, namespace string) (string, error) {
	answer, status, err := m.call(ctx, http.MethodDelete, "/namespaces/"+url.PathEscape(namespace))
	if err != nil {
		return "", err
	}
	if status/100 != 2 || answer.JobID == "" {
		return "", fmt.Errorf("HTTP %d: %s", status, answer.Message)
	}
	return answer.JobID, nil
}

func (m *moorcheh) job(ctx context.Context, namespace, id string) (report, error) {
	path := "/namespaces/" + url.PathEscape(namespace) + "/delete-jobs/" + url.PathEscape(id)
	answer, status, err := m.call(ctx, http.MethodGet, path)
	switch {
	case err != nil:
		return report{}, err
	case status == http.StatusNotFound:
		return report{}, errUnknownJob
	case status/100 != 2:
		return report{}, fmt.Errorf("HTTP %d: %s", status, answer.Message)
	}
	return answer, nil
}

func (m *moorcheh) call(ctx context.Context, method, path string) (report, int, error) {
	request, err := http.NewRequestWithContext(ctx, method, m.base+path, nil)
	if err != nil {
		return report{}, 0, err
	}
	response, err := m.http.Do(request)
	if err != nil {
		return report{}, 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return report{}, 0, err
	}
	var answer report
	if err := json.Unmarshal(body, &answer); err != nil {
		return report{}, 0, fmt.Errorf("HTTP %d with a body that is no JSON: %w", response.StatusCode, err)
	}
	return answer, response.StatusCode, nil
}
