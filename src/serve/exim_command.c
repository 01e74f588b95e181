/* exim_command.c -- reads a command of greylistd's protocol. */
#include "serve/exim_command.h"

#include "base/ensure.h"

static const struct {
	struct span word;
	bool takes_data;
} actions[] = {
#define ACTION(symbol, word, takes) [symbol] = { SPAN_INIT(word), takes },
	EXIM_ACTIONS(ACTION)
#undef ACTION
};

static const struct span colours[] = {
	[EXIM_WHITE] = SPAN_INIT("white"),
	[EXIM_GREY] = SPAN_INIT("grey"),
	[EXIM_BLACK] = SPAN_INIT("black"),
};

struct span exim_colour_name(enum exim_colour colour)
{
	ENSURE(colour < EXIM_COLOUR_COUNT);
	return colours[colour];
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* All words in lower case, with one blank between. */
static struct span words_of(struct span bytes, char *room)
{
	size_t len = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		if (!is_blank(bytes.at[i]))
			room[len++] = ascii_lower(bytes.at[i]);
		else if (len > 0 && room[len - 1] != ' ')
			room[len++] = ' ';
	}
	if (len > 0 && room[len - 1] == ' ')
		len--;
	return span_of(room, len);
}

static enum exim_action action_take(struct span *words)
{
	struct span rest = *words, word;

	if (!span_cut(&rest, ' ', &word))
		return EXIM_UPDATE;
	for (int i = 0; i < EXIM_ACTION_COUNT; i++)
		if (span_equal(word, actions[i].word)) {
			*words = rest;
			return (enum exim_action)i;
		}
	return EXIM_UPDATE;
}

static bool option_take(struct span *words, struct span *option_out)
{
	struct span rest = *words, word;

	if (!span_cut(&rest, ' ', &word) || !span_starts(word, SPAN("-")))
		return false;
	while (span_starts(word, SPAN("-")))
		word = span_from(word, 1);
	*words = rest;
	*option_out = word;
	return true;
}

static bool colour_find(struct span word, enum exim_colour *colour_out)
{
	for (int i = 0; i < EXIM_COLOUR_COUNT; i++)
		if (span_equal(word, colours[i])) {
			*colour_out = (enum exim_colour)i;
			return true;
		}
	return false;
}

/* Another option than a colour matters only where it would be looked at. */
static enum err fail_option(struct text *error, enum exim_action action, struct span option)
{
	const char *before = "error: Invalid list: '", *after = "'";

	switch (action) {
	case EXIM_UPDATE:
	case EXIM_CHECK:
		before = "error: '";
		after = "' is not a known state";
		break;
	case EXIM_ADD: before = "error: No such list: '"; break;
	case EXIM_LIST:
		before = "error: Invalid list: ";
		after = "";
		break;
	case EXIM_CLEAR: break;
	case EXIM_STATUS:
	case EXIM_DELETE:
	case EXIM_STATS:
	case EXIM_MRTG:
	case EXIM_SAVE:
	case EXIM_RELOAD:
	case EXIM_ACTION_COUNT: return OK;
	}
	text_add(error, span_cstr(before));
	for (size_t i = 0; i < option.len && i < EXIM_SHOWN_MAX; i++)
		text_add_char(error, option.at[i] > ' ' && option.at[i] < 127 ? option.at[i] : '?');
	text_add(error, span_cstr(after));
	return ERR_SYNTAX;
}

/* Is the option the last one that is looked at? */
static bool takes_one_option(enum exim_action action)
{
	return action == EXIM_UPDATE || action == EXIM_CHECK || action == EXIM_ADD;
}

static void colour_add(struct exim_command *command, enum exim_colour colour)
{
	for (uint8_t i = 0; i < command->colour_count; i++)
		if (command->colour[i] == colour)
			return;
	command->colour[command->colour_count++] = colour;
}

static enum err fail(struct text *error, const char *why)
{
	text_add(error, span_cstr(why));
	return ERR_SYNTAX;
}

enum err exim_command_parse(struct span bytes, char *room, struct text *error,
			    struct exim_command *command_out)
{
	struct exim_command command = { 0 };
	struct span words = words_of(span_first(bytes, EXIM_COMMAND_BYTES_MAX), room);
	struct span option, wrong = { 0 };
	bool has_wrong = false, has_option = false;

	if (words.len == 0)
		return fail(error, "error: No data received");
	command.action = action_take(&words);
	while (option_take(&words, &option)) {
		enum exim_colour colour;

		if (has_option && takes_one_option(command.action))
			continue;
		has_option = true;
		if (colour_find(option, &colour)) {
			colour_add(&command, colour);
		} else if (!has_wrong) {
			has_wrong = true;
			wrong = option;
		}
	}
	command.data = words;
	if (actions[command.action].takes_data && words.len == 0)
		return fail(error, "error: Missing argument");
	if (!actions[command.action].takes_data && words.len > 0)
		return fail(error, "error: Too many arguments");
	if (has_wrong && fail_option(error, command.action, wrong) != OK)
		return ERR_SYNTAX;
	*command_out = command;
	return OK;
}
