/* ledger - the hook as a module for Lua 5.1, for sites that have a job_submit.lua already.
 *
 *     local ok, message = ledger.submit(job_desc, submit_uid)
 *     local ok, message = ledger.modify(job_desc, job_rec, modify_uid)
 *
 * It decides as the plugin does, with the same code and configuration; slurm_job_submit in
 * job_submit.lua beside this file shows its use.  Fields of job_desc are those that Slurm's own Lua
 * plugin has.  What Slurm keeps behind its mutex for Lua waits here for at most the deadline.
 */
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "contrib/slurm/hook/hook.h"

extern int luaopen_ledger(lua_State *state);

/* slurmctld's log; elsewhere there is none. */
extern void slurm_info(const char *format, ...) __attribute__((weak, format(printf, 1, 2)));
extern void slurm_error(const char *format, ...) __attribute__((weak, format(printf, 1, 2)));

/* Slurm's marks for "nothing said". */
static const int64_t no_val8 = 0xfe, no_val16 = 0xfffe, no_val = 0xfffffffe, infinite = 0xffffffff;

static struct hook hook;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void write_log(bool is_error, const char *line)
{
    if (is_error && slurm_error != NULL) {
        slurm_error("ledger.so: %s", line);
    } else if (!is_error && slurm_info != NULL) {
        slurm_info("ledger.so: %s", line);
    }
}

/* Slurm makes a new Lua state whenever the script changes: what is known of ledgerd outlives it. */
static void start_hook(void)
{
    hook_init(&hook, write_log);
}

/* A field of the table at index 1, which stays on the stack as long as its text is needed. */
static const char *text_field(lua_State *state, const char *name)
{
    lua_getfield(state, 1, name);
    return lua_type(state, -1) == LUA_TSTRING ? lua_tostring(state, -1) : NULL;
}

/* An integer field of the table at `index`; `absent` where there is none or it says nothing. */
static int64_t number_field(lua_State *state, int index, const char *name, int64_t mark,
                            int64_t absent)
{
    int64_t value = absent;

    lua_getfield(state, index, name);
    if (lua_type(state, -1) == LUA_TNUMBER) {
        value = lua_tointeger(state, -1);
    }
    lua_pop(state, 1);
    return value == mark ? absent : value;
}

static void read_memory(lua_State *state, struct ledger_job *job)
{
    job->memory_mib = number_field(state, 1, "min_mem_per_cpu", -1, -1);
    job->memory_is_per_cpu = job->memory_mib != -1;
    if (!job->memory_is_per_cpu) {
        job->memory_mib = number_field(state, 1, "min_mem_per_node", -1, -1);
    }
}

static void read_job(lua_State *state, struct ledger_job *job)
{
    int64_t limit = number_field(state, 1, "time_limit", no_val, -1);

    *job = (struct ledger_job){
        .account = text_field(state, "account"),
        .partition = text_field(state, "partition"),
        .qos = text_field(state, "qos"),
        .array = text_field(state, "array_inx"),
        .tres_per_job = text_field(state, "tres_per_job"),
        .tres_per_node = text_field(state, "tres_per_node"),
        .tres_per_socket = text_field(state, "tres_per_socket"),
        .tres_per_task = text_field(state, "tres_per_task"),
        .cpus_per_tres = text_field(state, "cpus_per_tres"),
        .mem_per_tres = text_field(state, "mem_per_tres"),
        .min_nodes = number_field(state, 1, "min_nodes", no_val, 0),
        .num_tasks = number_field(state, 1, "num_tasks", no_val, 0),
        .ntasks_per_node = number_field(state, 1, "ntasks_per_node", no_val16, 0),
        .ntasks_per_gpu = number_field(state, 1, "ntasks_per_tres", no_val16, 0),
        .cpus_per_task = number_field(state, 1, "cpus_per_task", no_val16, 0),
        .min_cpus = number_field(state, 1, "min_cpus", no_val, 0),
        .min_cpus_a_node = number_field(state, 1, "pn_min_cpus", no_val16, 0),
        .sockets_per_node = number_field(state, 1, "sockets_per_node", no_val16, 0),
        .limit_minutes = limit,
        .is_unlimited = limit == infinite,
        .exclusive = number_field(state, 1, "shared", no_val16, 1) == 0,
        .overcommit = number_field(state, 1, "overcommit", no_val8, 0) != 0,
    };
    read_memory(state, job);
}

static int push_result(lua_State *state, const struct hook_result *result)
{
    lua_pushboolean(state, result->accepted);
    if (result->message[0] == '\0') {
        lua_pushnil(state);
    } else {
        lua_pushstring(state, result->message);
    }
    return 2;
}

/* Append to the admin comment as the plugin does. */
static void set_comment(lua_State *state, const char *comment)
{
    const char *old = text_field(state, "admin_comment");

    if (old != NULL && old[0] != '\0') {
        lua_pushfstring(state, "%s;%s", old, comment);
    } else {
        lua_pushstring(state, comment);
    }
    lua_setfield(state, 1, "admin_comment");
}

static int submit(lua_State *state)
{
    struct ledger_job job;
    struct hook_result result;
    int64_t uid = luaL_checkinteger(state, 2);

    lua_settop(state, 2);
    luaL_checkstack(state, LUA_MINSTACK, "ledger.submit");
    uid = number_field(state, 1, "user_id", no_val, uid);
    read_job(state, &job);
    hook_submit(&hook, &job, uid, &result);
    lua_settop(state, 1);
    if (result.accepted && result.comment[0] != '\0') {
        set_comment(state, result.comment);
    }
    if (result.accepted && result.qos[0] != '\0') {
        lua_pushstring(state, result.qos);
        lua_setfield(state, 1, "qos");
    }
    return push_result(state, &result);
}

static int modify(lua_State *state)
{
    int64_t uid = luaL_checkinteger(state, 3);
    int64_t limit = number_field(state, 1, "time_limit", no_val, -1);
    int64_t id = number_field(state, 2, "job_id", no_val, 0);
    struct hook_result result = {.accepted = true};
    char digits[24];

    if (limit >= 0) {
        snprintf(digits, sizeof(digits), "%lld", (long long)id);
        hook_modify(&hook, digits, limit == infinite ? LEDGER_UNLIMITED_SECONDS : limit * 60, uid,
                    uid == 0 || uid == (int64_t)geteuid(), &result);
    }
    return push_result(state, &result);
}

int luaopen_ledger(lua_State *state)
{
    static const luaL_Reg functions[] = {{"submit", submit}, {"modify", modify}, {NULL, NULL}};

    pthread_once(&once, start_hook);
    lua_createtable(state, 0, 2);
    for (const luaL_Reg *function = functions; function->name != NULL; function++) {
        lua_pushcfunction(state, function->func);
        lua_setfield(state, -2, function->name);
    }
    return 1;
}
