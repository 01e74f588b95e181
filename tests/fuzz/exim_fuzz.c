/* exim_fuzz.c -- a command of greylistd's protocol, and the attempt of its words.
 *
 * What is read keeps to its form, reads back as the same command, and always makes an attempt.
 */
#include "base/ensure.h"
#include "daemon/greylistd_priv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ATTEMPT_ARENA_BYTES = 512 * 1024 };

static const char *const actions[] = {
#define ACTION(symbol, word, takes) [symbol] = word,
	EXIM_ACTIONS(ACTION)
#undef ACTION
};

/* Words with one blank between, in lower case. */
static void check_form(struct span words)
{
	ENSURE(words.len == 0 || (words.at[0] != ' ' && words.at[words.len - 1] != ' '));
	for (size_t i = 0; i < words.len; i++) {
		ENSURE(words.at[i] == ascii_lower(words.at[i]));
		ENSURE(words.at[i] == ' ' || words.at[i] < '\t' || words.at[i] > '\r');
		ENSURE(i == 0 || words.at[i] != ' ' || words.at[i - 1] != ' ');
	}
}

/* Written out in full it is the same command. */
static void check_same(const struct exim_command *command)
{
	static char room[EXIM_COMMAND_BYTES_MAX], again_room[EXIM_COMMAND_BYTES_MAX + 64];
	struct text again = { again_room, 0, sizeof(again_room), false };
	struct exim_command back;
	TEXT(error, EXIM_ERROR_MAX);

	text_add(&again, span_cstr(actions[command->action]));
	for (uint8_t i = 0; i < command->colour_count; i++) {
		text_add(&again, SPAN(" --"));
		text_add(&again, exim_colour_name(command->colour[i]));
	}
	text_add_char(&again, ' ');
	text_add(&again, command->data);
	if (again.overrun || again.len > EXIM_COMMAND_BYTES_MAX)
		return;
	ENSURE(exim_command_parse(text_span(&again), room, &error, &back) == OK);
	ENSURE(back.action == command->action && back.colour_count == command->colour_count);
	ENSURE(span_equal(back.data, command->data));
}

static void check_attempt(struct span words)
{
	struct attempt attempt = { 0 };
	struct arena arena;

	arena_init(&arena, ATTEMPT_ARENA_BYTES);
	ENSURE(greylistd_fill(words, &arena, &attempt) == OK);
	ENSURE(attempt.attribute[ATTRIBUTE_sender].len <= words.len);
	ENSURE(attempt.client.family == IP_NONE || attempt.client_text.len > 0);
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char room[EXIM_COMMAND_BYTES_MAX];
	struct exim_command command;
	TEXT(error, EXIM_ERROR_MAX);

	if (exim_command_parse(span_of((const char *)data, size), room, &error, &command) != OK) {
		ENSURE(!error.overrun && span_starts(text_span(&error), SPAN("error: ")));
		return 0;
	}
	check_form(command.data);
	check_same(&command);
	check_attempt(command.data);
	return 0;
}
