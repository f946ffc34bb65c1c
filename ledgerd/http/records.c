/* records - GET /v1/records: a record explained, from its source to the transfers. */
#include "ledgerd/flow/explain.h"
#include "ledgerd/http/route.h"

void handle_records(struct request *request, struct reply *reply)
{
    const char *source = request_argument(request, "source");
    const char *id = request_argument(request, "id");
    struct explanation explanation = {0};
    struct error err = {0};

    if (source == NULL || id == NULL) {
        reply_problem(reply, 400, "bad_argument", "source and id are both needed");
        return;
    }
    struct engine_catalog *catalog = engine_catalog_borrow(request->service->engine);
    if (explain_record_in(request->store, engine_catalog_of(catalog), request->scope, source, id,
                          &explanation, &err) == 0) {
        reply_json(reply, 200);
        explain_write_json(&explanation, &reply->body);
    } else {
        reply_error(reply, &err);
    }
    explain_release(&explanation);
    engine_catalog_return(catalog);
}
