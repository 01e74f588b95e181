/* policy_protocol_fuzz.c -- however the bytes of a stream are split, the same requests come out.
 *
 * The first byte of the input chooses how; the rest is the stream.
 */
#include "base/ensure.h"
#include "serve/policy_request.h"

#include <stdlib.h>

enum { ARENA_BYTES_MAX = 1024 * 1024, LINE_BYTES_MAX = 64, ATTRIBUTES_MAX = 8 };

/* Small limits, so that small inputs reach them. */
static const struct request_limits limits = { LINE_BYTES_MAX, ATTRIBUTES_MAX };

static void check_attempt(const struct attempt *attempt)
{
	for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
		struct span value = attempt->attribute[i];

		ENSURE(value.at != NULL || value.len == 0);
		ENSURE(value.len <= LINE_BYTES_MAX);
		ENSURE(value.len == 0 || memchr(value.at, '\n', value.len) == NULL);
	}
	ENSURE(attempt->client.family == IP_NONE || attempt->client_text.len > 0);
	(void)request_is_policy(attempt);
}

static void read_one(struct span request)
{
	struct attempt attempt = { 0 };
	struct arena arena;

	arena_init(&arena, ARENA_BYTES_MAX);
	ENSURE(request_read(request, &arena, &attempt) == OK);
	check_attempt(&attempt);
	arena_release(&arena);
}

/* Scan the request at the front, handing over step bytes more each time (0: all at once). */
static enum framing_state scan(struct framing *framing, struct span bytes, size_t step)
{
	enum framing_state state = FRAMING_UNFINISHED;
	size_t given = 0;

	*framing = (struct framing){ 0 };
	while (state == FRAMING_UNFINISHED && given < bytes.len) {
		given = step == 0 || bytes.len - given < step ? bytes.len : given + step;
		/* Bytes of its own, so that reading beyond what was given is found. */
		char *copy = malloc(given);

		ENSURE(copy != NULL);
		memcpy(copy, bytes.at, given);
		state = framing_scan(framing, &limits, span_of(copy, given));
		free(copy);
	}
	return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct span stream = span_of((const char *)bytes, count);
	size_t step;

	if (count == 0)
		return 0;
	step = bytes[0] % 16 + 1U;
	stream = span_from(stream, 1);
	while (stream.len > 0) {
		struct framing whole, split;
		enum framing_state state = scan(&whole, stream, 0);

		ENSURE(scan(&split, stream, step) == state);
		ENSURE(whole.fault == split.fault);
		if (state != FRAMING_COMPLETE)
			break;
		ENSURE(whole.line_begin == split.line_begin && whole.line_begin <= stream.len);
		ENSURE(whole.attribute_count == split.attribute_count);
		ENSURE(whole.stray_count == split.stray_count);
		read_one(span_first(stream, whole.line_begin));
		stream = span_from(stream, whole.line_begin);
	}
	return 0;
}
