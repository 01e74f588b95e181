/* limit_rates.c -- how much a limit allows: "100/1h, 500/1d", and a table of such rates. */
#include "policy/clauses.h"
#include "weigh/tally.h"

enum { ROW_MISTAKES_MAX = 10, BYTES_FEW = 1024 };

static bool has_unit(struct span rate)
{
	size_t slash = span_find(rate, '/');

	return slash > 0 && slash < rate.len && ascii_is_letter(rate.at[slash - 1]);
}

static void report_rate(struct report *report, struct place place, struct span word, enum err err)
{
	if (err == ERR_LIMIT) {
		report_error(report, place, "'%.*s' is out of range", WORD_ARG(word));
		report_hint(report, "a period is between 1s and 400d");
		return;
	}
	report_error(report, place, "'%.*s' is no rate", WORD_ARG(word));
	report_hint(report, "an amount and a time with its unit, such as 100/1h or 10M/1d");
}

static bool rate_is_new(struct counted *counted, const struct rate *rate, struct place place)
{
	const struct rates *rates = &counted->limit->rates;

	if (rates->count == RATES_MAX) {
		report_error(counted_report(counted), place, "a limit has at most %d rates",
			     RATES_MAX);
		return false;
	}
	for (uint8_t i = 0; i < rates->count; i++)
		if (rates->rate[i].period_ms == rate->period_ms) {
			report_error(counted_report(counted), place,
				     "there is a rate for so long already");
			return false;
		}
	return true;
}

static bool rate_parse(struct counted *counted)
{
	struct rates *rates = &counted->limit->rates, one;
	struct token word;
	struct span text;
	enum err err;

	if (!parser_expect_text(counted_parser(counted), LEX_WORD, "a rate such as 100/1h", &word,
				&text))
		return false;
	err = rates_parse(text, &one);
	if (err != OK || one.count != 1) {
		report_rate(counted_report(counted), word.place, text, err);
		return false;
	}
	if (!rate_is_new(counted, &one.rate[0], word.place))
		return false;
	if (has_unit(text))
		counted->size_place = word.place;
	rates->rate[rates->count++] = one.rate[0];
	return true;
}

/* 100/1h, 500/1d; or none */
bool limit_rates_parse(struct counted *counted)
{
	struct parser *parser = counted_parser(counted);

	counted->rates_place = parser_peek(parser, LEX_WORD)->place;
	if (parser_accept_word(parser, "none"))
		return true;
	do {
		if (counted->limit->rates.count > 0)
			parser_skip_newlines(parser);
		if (!rate_parse(counted))
			return false;
	} while (parser_accept_sign(parser, ","));
	counted->rates_place = place_join(counted->rates_place, parser->previous);
	return true;
}

/* --- a table of them --- */

bool limit_from_parse(struct counted *counted)
{
	struct compiler *compiler = counted->body->compiler;
	const struct symbol *symbol;
	struct guess guess;

	if (!parser_expect_name(counted_parser(counted), "a table", &counted->table))
		return false;
	symbol = symbol_find(&compiler->tables, counted->table.text);
	if (symbol != NULL) {
		counted->limit->rates_from = symbol->what;
		return true;
	}
	guess = guess_of(counted->table.text);
	report_error(&compiler->report, counted->table.place, "no table is called '%.*s'",
		     WORD_ARG(counted->table.text));
	symbols_guess(&compiler->tables, &guess);
	report_guess(&compiler->report, &guess);
	return false;
}

/* --- is it sound? --- */

/* Different values are remembered one by one: there is room for so many. */
static bool distinct_fits(const struct limit *limit, const struct rates *rates)
{
	for (uint8_t i = 0; limit->counting == COUNTING_DISTINCT && i < rates->count; i++)
		if (rates->rate[i].most >= TALLY_SEEN_MAX)
			return false;
	return true;
}

static bool rates_are_sound(struct counted *counted)
{
	static const char *const thing[] = {
		[COUNTING_MESSAGES] = "messages",
		[COUNTING_RECIPIENTS] = "recipients",
		[COUNTING_BYTES] = "bytes",
		[COUNTING_DISTINCT] = "values",
	};
	const struct limit *limit = counted->limit;

	if (counted->size_place.source != NULL && limit->counting != COUNTING_BYTES) {
		report_error(counted_report(counted), counted->size_place,
			     "this is a size, and %s are counted", thing[limit->counting]);
		report_hint(counted_report(counted), "write: counting bytes; or a plain number");
		return false;
	}
	if (!distinct_fits(limit, &limit->rates)) {
		report_error(counted_report(counted), counted->rates_place,
			     "at most %d different values can be told apart", TALLY_SEEN_MAX - 1);
		return false;
	}
	return true;
}

static void warn_of_rates(struct counted *counted)
{
	const struct limit *limit = counted->limit;

	for (uint8_t i = 0; i < limit->rates.count; i++) {
		const struct rate *rate = &limit->rates.rate[i];

		if (limit->counting == COUNTING_BYTES && rate->most < BYTES_FEW) {
			report_warning(counted_report(counted), counted->rates_place,
				       "hardly a message is as small as %lld bytes",
				       (long long)rate->most);
			report_hint(counted_report(counted), "such as 10M/1h");
		}
		for (uint8_t n = 0; n < limit->rates.count; n++)
			if (limit->rates.rate[n].period_ms > rate->period_ms &&
			    limit->rates.rate[n].most <= rate->most)
				report_warning(counted_report(counted), counted->rates_place,
					       "the longer time allows no more than the shorter "
					       "one: that is never reached");
	}
	if (limit->rates.count == 0 && limit->rates_from == NULL)
		report_warning(counted_report(counted), counted->rates_place,
			       "without a table of rates this limits nobody");
}

/* --- the rows of its table --- */

/* Where a value of a table stands: in one of the files, or (joined of lines) nowhere. */
static struct place place_in_files(struct compiler *compiler, struct span value)
{
	const struct config *config = compiler->config;

	for (uint16_t i = 0; value.at != NULL && i < config->file_count; i++) {
		const struct config_file *file = &config->file[i];
		uintptr_t start = (uintptr_t)file->text.at, at = (uintptr_t)value.at;
		struct source *source;

		if (at < start || at + value.len > start + file->text.len)
			continue;
		source = compiler_alloc(compiler, sizeof(*source));
		if (source == NULL)
			break;
		*source = (struct source){ .path = file->path, .text = file->text, .index = i };
		return (struct place){ source, at - start, value.len };
	}
	return (struct place){ 0 };
}

static void report_row(struct counted *counted, struct span value, const char *what)
{
	struct place place = place_in_files(counted->body->compiler, value);

	if (place.source == NULL)
		place = counted->table.place;
	report_error(counted_report(counted), place, "'%.*s' %s", WORD_ARG(value), what);
	report_hint(counted_report(counted), "the limit '%.*s' takes its rates from '%.*s'",
		    WORD_ARG(counted->limit->name), WORD_ARG(counted->table.text));
}

static bool row_is_sound(struct counted *counted, struct span value)
{
	struct rates rates = { 0 };

	switch (rates_parse(value, &rates)) {
	case OK:
		if (distinct_fits(counted->limit, &rates))
			return true;
		report_row(counted, value,
			   "is more than the different values that can be told apart");
		return false;
	case ERR_LIMIT:
		report_row(counted, value,
			   "has too many rates, two for one time, or a time that is "
			   "not between 1s and 400d");
		return false;
	case ERR_SYNTAX:
	case ERR_MISSING:
	case ERR_SYSTEM: break;
	}
	report_row(counted, value, "is no rate such as 100/1h");
	return false;
}

static bool rows_are_sound(struct counted *counted, const struct table *table)
{
	unsigned mistakes = 0;

	if (table == NULL)
		return true;
	for (uint32_t i = 0; i < table->row_count && mistakes < ROW_MISTAKES_MAX; i++)
		mistakes += !row_is_sound(counted, table->row[i].value);
	for (uint32_t i = 0; i < table->pattern_count && mistakes < ROW_MISTAKES_MAX; i++)
		mistakes += !row_is_sound(counted, table->pattern[i].value);
	return rows_are_sound(counted, table->networks) && mistakes == 0;
}

/* Networks are looked up by an address; a key of several parts is none. */
static bool table_suits(struct counted *counted)
{
	const struct limit *limit = counted->limit;
	const struct expr *part = limit->key.part[0];

	if (limit->rates_from == NULL || limit->rates_from->kind != TABLE_CIDR ||
	    (limit->key.part_count == 1 && part->kind == EXPR_TEXT_OF &&
	     part->left->type == TYPE_ADDRESS))
		return true;
	report_error(counted_report(counted), counted->table.place,
		     "'%.*s' is a table of networks, and the key is no address",
		     WORD_ARG(counted->table.text));
	report_hint(counted_report(counted), "it can be asked by client_address alone");
	return false;
}

bool limit_rates_check(struct counted *counted)
{
	if (!rates_are_sound(counted) || !table_suits(counted) ||
	    !rows_are_sound(counted, counted->limit->rates_from))
		return false;
	warn_of_rates(counted);
	return true;
}
