/* weighs.h -- a weigh statement while it is read; shared by weighs.c and parameters.c. */
#pragma once
#include "policy/body.h"

struct weigh {
	struct body *body;
	struct statement *statement;
	void *parameters; /* a copy of the check's defaults */
	bool *is_given;   /* by index of parameter */
	uint32_t points_given;
	struct place check_place, name_place;
	bool is_named; /* by "as" */
};

static inline struct parser *weigh_parser(struct weigh *weigh)
{
	return &weigh->body->parser;
}

static inline struct report *weigh_report(struct weigh *weigh)
{
	return body_report(weigh->body);
}

/** The parameters that the check has when none is given; false: no room. */
MUST_USE bool parameters_prepare(struct weigh *weigh);

/** Is name a parameter of the check?  Then its value is read, too.
 *
 * @param guess       is offered their names
 * @param parsed_out  the value was right
 */
MUST_USE bool parameter_try(struct weigh *weigh, const struct token *name, struct guess *guess,
			    bool *parsed_out);

/** A list that its statement calls dead draws a warning where it is named. */
void zone_warn_if_dead(struct report *report, const struct token *token, const struct zone *zone);
