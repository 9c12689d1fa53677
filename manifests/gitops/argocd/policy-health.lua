-- The health of a moorcheh.ai/NamespaceCleanupPolicy: Degraded while it is stalled, that is, until somebody acts.
-- What became of its runs is told by Events and alerts: an Application that is out of order for a glob helps nobody.
local hs = {status = "Progressing", message = "Waiting for the moorcheh operator"}
local st = obj.status
if st == nil or st.observedGeneration == nil or st.observedGeneration ~= obj.metadata.generation then
  return hs
end
for _, condition in ipairs(st.conditions or {}) do
  if condition.type == "Ready" then
    hs.message = (condition.reason or "Unknown") .. ": " .. (condition.message or "")
    if condition.status == "True" then
      hs.status = condition.reason == "Suspended" and "Suspended" or "Healthy"
    end
  end
end
for _, condition in ipairs(st.conditions or {}) do
  if condition.type == "Stalled" and condition.status == "True" then
    hs.status = "Degraded"
    hs.message = (condition.reason or "Unknown") .. ": " .. (condition.message or "")
  end
end
return hs
