-- job_submit.lua - asks ledgerd about every job, for sites that use Slurm's Lua plugin already.
--
-- slurm.conf: JobSubmitPlugins=lua. Where nothing else of a site's is in Lua, the C plugin
-- (JobSubmitPlugins=ledger) does the same without the lock that all Lua hooks share.
--
-- Slurm ignores a hook that throws, and accepts the job: so whatever can throw is called by pcall,
-- and what becomes of a job then is written here.

package.cpath = "/usr/local/lib/ledger/?.so;" .. package.cpath

local loaded, ledger = pcall(require, "ledger")
if not loaded then
   slurm.log_error("job_submit.lua: %s", tostring(ledger))
end

local REFUSED = slurm.ESLURM_ACCOUNTING_POLICY or 2050

-- What the ledger says; jobs are accepted, and the log says so, if it cannot be asked at all.
local function ask(verb, ...)
   if not loaded then
      return slurm.SUCCESS
   end
   local called, ok, message = pcall(ledger[verb], ...)
   if not called then
      slurm.log_error("job_submit.lua: ledger.%s: %s", verb, tostring(ok))
      return slurm.SUCCESS
   end
   if message then
      slurm.log_user("%s", message)
   end
   return ok and slurm.SUCCESS or REFUSED
end

function slurm_job_submit(job_desc, part_list, submit_uid)
   return ask("submit", job_desc, submit_uid)
end

function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
   return ask("modify", job_desc, job_rec, modify_uid)
end

return slurm.SUCCESS
