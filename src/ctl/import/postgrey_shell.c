/* postgrey_shell.c -- the words of a shell: quotes, backslashes, comments, known variables.
 *
 * Nothing is run: a command's output and a variable that the text does not set itself are empty,
 * and has_foreign says so.
 */
#include "ctl/import/postgrey_priv.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ';';
}

static bool is_name(char c)
{
	return ascii_is_letter(c) || ascii_is_digit(c) || c == '_';
}

static char take(struct shell *shell)
{
	char c = shell->rest.at[0];

	shell->line += c == '\n';
	shell->rest = span_from(shell->rest, 1);
	return c;
}

static void skip_blanks(struct shell *shell)
{
	while (shell->rest.len > 0) {
		if (shell->rest.at[0] == '#')
			shell->rest = span_from(shell->rest, span_find(shell->rest, '\n'));
		else if (is_blank(shell->rest.at[0]) || span_starts(shell->rest, SPAN("\\\n")))
			(void)take(shell);
		else
			return;
	}
}

struct shell_variable *shell_variable_find(struct shell *shell, struct span name)
{
	for (uint8_t i = 0; i < shell->variable_count; i++)
		if (span_equal(shell->variable[i].name, name))
			return &shell->variable[i];
	return NULL;
}

/* Behind a '$': NAME, or {NAME}; any other is itself. */
static void take_variable(struct shell *shell, struct text *word)
{
	bool has_brace = span_starts(shell->rest, SPAN("{"));
	struct span name = span_from(shell->rest, has_brace);
	const struct shell_variable *variable;
	size_t len = 0;

	while (len < name.len && is_name(name.at[len]))
		len++;
	shell->has_foreign |= span_starts(shell->rest, SPAN("("));
	if (len == 0 && !has_brace) {
		text_add_char(word, '$');
		return;
	}
	name.len = len;
	variable = shell_variable_find(shell, name);
	shell->rest = span_from(shell->rest, has_brace + len);
	if (has_brace && span_starts(shell->rest, SPAN("}")))
		shell->rest = span_from(shell->rest, 1);
	if (variable != NULL)
		text_add(word, variable->value);
	else
		shell->has_foreign = true;
}

/* Between double quotes a backslash takes the meaning of these only. */
static void take_escaped(struct shell *shell, char quote, struct text *word)
{
	char c;

	if (shell->rest.len == 0)
		return;
	c = take(shell);
	if (c == '\n')
		return;
	if (quote == '"' && c != '"' && c != '\\' && c != '$' && c != '`')
		text_add_char(word, '\\');
	text_add_char(word, c);
}

enum shell_state shell_next(struct shell *shell, struct text *word)
{
	char quote = '\0';

	text_clear(word);
	skip_blanks(shell);
	if (shell->rest.len == 0)
		return SHELL_END;
	while (shell->rest.len > 0 && (quote != '\0' || !is_blank(shell->rest.at[0]))) {
		char c = take(shell);

		if (quote != '\0' && c == quote)
			quote = '\0';
		else if (quote == '\'')
			text_add_char(word, c);
		else if (quote == '\0' && (c == '\'' || c == '"'))
			quote = c;
		else if (c == '\\')
			take_escaped(shell, quote, word);
		else if (c == '$')
			take_variable(shell, word);
		else
			text_add_char(word, c);
		shell->has_foreign |= c == '`' && quote != '\'';
	}
	if (word->overrun)
		return SHELL_TOO_LONG;
	return quote == '\0' ? SHELL_WORD : SHELL_UNCLOSED;
}
