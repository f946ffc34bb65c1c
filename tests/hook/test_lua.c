/* The Lua module under the example script: the same decisions, and jobs that are accepted with a
 * line in the log, never silently, when something in the script throws. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "tests/hook/fake_ledgerd.h"
#include "tests/hook/slurm_stubs.h"

#include <cmocka.h>

extern int luaopen_ledger(lua_State *state);

/* What slurmctld gives to scripts, as far as this one uses it; what is said to users and to the log
 * is put together. */
static const char slurm[] =
    "said, logged = '', ''\n"
    "slurm = {SUCCESS = 0, ERROR = -1, ESLURM_ACCOUNTING_POLICY = 2050}\n"
    "function slurm.log_user(f, ...) said = said .. f:format(...) end\n"
    "function slurm.log_error(f, ...) logged = logged .. f:format(...) end\n";

static struct fake fake;

/* The once-only start of the module reads the configuration: the server's socket must be there. */
static lua_State *open_script(bool with_module)
{
    lua_State *lua = luaL_newstate();

    luaL_openlibs(lua);
    if (with_module) {
        lua_getglobal(lua, "package");
        lua_getfield(lua, -1, "preload");
        lua_pushcfunction(lua, luaopen_ledger);
        lua_setfield(lua, -2, "ledger");
        lua_pop(lua, 2);
    }
    if (luaL_dostring(lua, slurm) != 0 ||
        luaL_dofile(lua, "contrib/slurm/lua/job_submit.lua") != 0) {
        fail_msg("%s", lua_tostring(lua, -1));
    }
    lua_settop(lua, 0);
    return lua;
}

/* Run a chunk that returns one value, as text. */
static const char *run(lua_State *lua, const char *chunk)
{
    static char text[4096];

    if (luaL_dostring(lua, chunk) != 0) {
        fail_msg("%s", lua_tostring(lua, -1));
    }
    lua_getglobal(lua, "tostring");
    lua_insert(lua, 1);
    lua_call(lua, 1, 1);
    snprintf(text, sizeof(text), "%s", lua_tostring(lua, -1));
    lua_settop(lua, 0);
    return text;
}

static void a_submission_is_told_whole(void **state)
{
    lua_State *lua = open_script(true);

    (void)state;
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_1\"}"));
    assert_string_equal(
        run(lua, "job = {account = 'ml', partition = 'gpu', array_inx = '0-9%2', user_id = 20001,\n"
                 "  tres_per_node = 'gres:gpu:2', min_nodes = 2, num_tasks = 4294967294,\n"
                 "  min_cpus = 4, cpus_per_task = 65534, ntasks_per_node = 65534, shared = 0,\n"
                 "  min_mem_per_node = 1024, time_limit = 10, admin_comment = 'kept'}\n"
                 "return slurm_job_submit(job, {}, 0)"),
        "0");
    assert_true(begins_with(fake_body(&fake),
                            "{\"cluster\":\"sdli\",\"uid\":20001,\"seconds\":\"600\","
                            "\"account\":\"ml\",\"partition\":\"gpu\",\"nodes\":\"2\","
                            "\"exclusive\":true,\"meters\":{\"gpu\":\"4\",\"cpu\":\"4\","
                            "\"mem_gib\":\"2\",\"node\":\"2\"},\"parts\":10,\"at_once\":2"));
    assert_true(begins_with(run(lua, "return job.admin_comment"), "kept;ledger:hold=sl_"));
    assert_string_equal(run(lua, "return said .. logged"), "");
    lua_close(lua);
}

static void refused_and_downgraded_jobs_say_why(void **state)
{
    lua_State *lua = open_script(true);

    (void)state;
    fake_says(&fake, fake_http(402, "{\"user_message\":\"100% spent\"}"));
    assert_string_equal(run(lua, "job = {}; return slurm_job_submit(job, {}, 20001)"), "2050");
    assert_null(strstr(fake_body(&fake), "exclusive"));
    assert_string_equal(run(lua, "return said .. tostring(job.admin_comment)"), "100% spentnil");
    fake_says(&fake, fake_http(201, "{\"hold\":\"h\",\"downgraded_to\":\"low\"}"));
    assert_string_equal(run(lua, "return slurm_job_submit(job, {}, 20001)"), "0");
    assert_string_equal(run(lua, "return job.qos"), "low");
    lua_close(lua);
}

static void longer_limits_are_asked_about(void **state)
{
    lua_State *lua = open_script(true);

    (void)state;
    fake_says(&fake, fake_http(402, "{\"user_message\":\"no\"}"));
    assert_string_equal(
        run(lua, "return slurm_job_modify({time_limit = 60}, {job_id = 77}, {}, 20001)"), "2050");
    assert_non_null(strstr(fake_request(&fake), "\"seconds\":\"3600\",\"modifies\":\"77\""));
    assert_string_equal(run(lua, "return slurm_job_modify({time_limit = 4294967294}, {job_id = 77},"
                                 " {}, 20001)"),
                        "0");
    lua_close(lua);
}

static void what_throws_is_logged(void **state)
{
    lua_State *lua = open_script(true);

    (void)state;
    assert_string_equal(
        run(lua, "local job = setmetatable({}, {__index = function() error('field') end})\n"
                 "return slurm_job_submit(job, {}, 20001)"),
        "0");
    assert_non_null(strstr(run(lua, "return logged"), "ledger.submit: "));
    assert_string_equal(run(lua, "return slurm_job_submit(nil, {}, 20001)"), "0");
    lua_close(lua);
    lua = open_script(false);
    assert_string_equal(run(lua, "return slurm_job_submit({}, {}, 20001)"), "0");
    assert_non_null(strstr(run(lua, "return logged"), "module 'ledger' not found"));
    lua_close(lua);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submission_is_told_whole),
        cmocka_unit_test(refused_and_downgraded_jobs_say_why),
        cmocka_unit_test(longer_limits_are_asked_about),
        cmocka_unit_test(what_throws_is_logged),
    };
    char path[128];
    FILE *file;
    int result;

    fake_says(&fake, "");
    fake_start(&fake, fake_answer);
    snprintf(path, sizeof(path), "%s.conf", fake.folder);
    file = fopen(path, "w");
    if (file == NULL ||
        fprintf(file, "cluster = sdli\nsocket = %s\ndeadline = 1s\n", fake.path) < 0 ||
        fclose(file) != 0) {
        return 2;
    }
    setenv("LEDGER_HOOK_CONF", path, 1);
    result = cmocka_run_group_tests_name("lua", tests, NULL, NULL);
    fake_stop(&fake);
    unlink(path);
    return result;
}
