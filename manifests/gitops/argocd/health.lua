-- The health of a moorcheh.ai/NamespaceDeletion. Without it Argo CD calls the object healthy the moment it
-- exists: sync waves run on, and a PreDelete hook counts as done, before anything is deleted.
local hs = {status = "Progressing", message = "Waiting for the moorcheh operator"}
local st = obj.status
if st == nil or st.observedGeneration == nil or st.observedGeneration ~= obj.metadata.generation then
  return hs
end
hs.message = (st.reason or st.phase or "Unknown") .. ": " .. (st.message or "")
if st.phase == "Succeeded" then
  hs.status = "Healthy"
elseif st.phase == "Failed" then
  hs.status = "Degraded"
elseif st.phase == "Suspended" then
  -- A suspended hook would count as done, and the app would be let go: it waits for its approval instead.
  local annotations = obj.metadata.annotations or {}
  if annotations["argocd.argoproj.io/hook"] == nil and annotations["helm.sh/hook"] == nil then
    hs.status = "Suspended"
  end
end
return hs
