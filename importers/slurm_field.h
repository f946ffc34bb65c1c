/* slurm_field - the fields of Slurm's JSON, in every shape that they ever had.
 *
 * The shape of a field changes between releases, and one answer mixes old and new: so no version is
 * looked at.
 *
 *     a number       5    "5"    null    {"set":true,"infinite":false,"number":5}
 *     a text         "x"    ""    null    0 (a reservation without a name)
 */
#ifndef IMPORTERS_SLURM_FIELD_H
#define IMPORTERS_SLURM_FIELD_H

#include "importers/slurm_job.h"

enum slurm_field_given { FIELD_BAD = -1, FIELD_NONE, FIELD_GIVEN };

/* The digits of a number; token may be SCAN_NONE. */
enum slurm_field_given slurm_field_digits(struct scan_doc *doc, uint32_t token,
                                          struct scan_text *text);

/* A number; -1 if it is none. What is infinite or no value is not given. */
int slurm_field_number(struct scan_doc *doc, uint32_t token, struct slurm_number *number);

/* Seconds since 1970, where 0 is "not yet"; ISO text too. 0 or -1. */
int slurm_field_time(struct time_reader *times, struct scan_doc *doc, uint32_t token,
                     struct slurm_time *time);

/* The text of a member; "" if there is none or it is no text. */
struct scan_text slurm_field_text(struct scan_doc *doc, uint32_t object, const char *key);

#endif
