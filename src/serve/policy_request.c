/* policy_request.c -- requests of the Postfix policy delegation protocol. */
#include "serve/policy_request.h"

/* A line is over the limit as soon as no line end can save it: one CR more may still come. */
static bool is_hopeless(struct span line, size_t line_bytes_max)
{
	if (line.len <= line_bytes_max)
		return false;
	return line.len > line_bytes_max + 1 || line.at[line.len - 1] != '\r';
}

static struct span without_cr(struct span line)
{
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

static enum request_fault count_line(struct framing *framing, const struct request_limits *limits,
				     struct span line)
{
	size_t name_len = span_find(line, '=');

	if (line.len > limits->line_bytes_max)
		return FAULT_LINE;
	if (name_len == line.len) {
		framing->stray_count++;
		return FAULT_NONE;
	}
	if (name_len > REQUEST_NAME_BYTES_MAX)
		return FAULT_NAME;
	framing->attribute_count++;
	return framing->attribute_count > limits->attributes_max ? FAULT_ATTRIBUTES : FAULT_NONE;
}

static enum framing_state framing_break(struct framing *framing, enum request_fault fault)
{
	framing->fault = fault;
	return FRAMING_BROKEN;
}

enum framing_state framing_scan(struct framing *framing, const struct request_limits *limits,
				struct span bytes)
{
	struct span seen = span_first(bytes, REQUEST_BYTES_MAX);

	for (;;) {
		struct span ahead = span_from(seen, framing->looked);
		struct span line = span_from(seen, framing->line_begin);
		enum request_fault fault;
		size_t line_end = framing->looked + span_find(ahead, '\n');

		if (line_end == seen.len)
			break;
		line = without_cr(span_first(line, line_end - framing->line_begin));
		framing->looked = framing->line_begin = line_end + 1;
		if (line.len == 0)
			return FRAMING_COMPLETE;
		fault = count_line(framing, limits, line);
		if (fault != FAULT_NONE)
			return framing_break(framing, fault);
	}
	framing->looked = seen.len;
	if (is_hopeless(span_from(seen, framing->line_begin), limits->line_bytes_max))
		return framing_break(framing, FAULT_LINE);
	if (seen.len == REQUEST_BYTES_MAX)
		return framing_break(framing, FAULT_REQUEST);
	return FRAMING_UNFINISHED;
}

/* Postfix sends its attributes in the order of attributes.def: the next one is a good guess. */
static bool find_attribute(struct span name, unsigned *guess, enum attribute *attribute_out)
{
	if (*guess < ATTRIBUTE_COUNT &&
	    span_equal(name, attribute_name((enum attribute) * guess))) {
		*attribute_out = (enum attribute) * guess;
	} else if (!attribute_find(name, attribute_out)) {
		return false;
	}
	*guess = *attribute_out + 1U;
	return true;
}

enum err request_read(struct span request, struct arena *arena, struct attempt *attempt)
{
	char *client_text = arena_alloc(arena, ATTEMPT_CLIENT_TEXT_MAX + 1);
	struct span rest = arena_copy(arena, request);
	struct span line;
	unsigned guess = 0;

	if (client_text == NULL || rest.at == NULL)
		return ERR_LIMIT;
	while (span_cut(&rest, '\n', &line)) {
		enum attribute attribute;
		size_t name_len;

		line = without_cr(line);
		name_len = span_find(line, '=');
		if (name_len == line.len ||
		    !find_attribute(span_first(line, name_len), &guess, &attribute))
			continue;
		if (attempt->attribute[attribute].at == NULL)
			attempt->attribute[attribute] = span_from(line, name_len + 1);
	}
	attempt_normalise(attempt, client_text);
	return OK;
}

bool request_is_policy(const struct attempt *attempt)
{
	return span_equal(attempt->attribute[ATTRIBUTE_request], SPAN("smtpd_access_policy"));
}
