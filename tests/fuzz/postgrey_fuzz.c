/* postgrey_fuzz.c -- postgrey's options and dumps of its database, of any bytes.
 *
 * What stands behind the byte 0x1c is a dump.  Held: whatever the options are, what is made of
 * them is a sound weighd.conf; whatever the dump is, an entry is one that a store takes.
 */
#include "base/ensure.h"
#include "ctl/import/postgrey_priv.h"
#include "imported.h"
#include "weigh/key.h"

static char config_room[IMPORT_CONFIG_MAX], explain_room[IMPORT_EXPLAIN_MAX],
	report_room[IMPORT_REPORT_MAX];

static bool has_error(struct span report)
{
	struct span line;

	while (span_cut(&report, '\n', &line))
		if (span_starts(line, SPAN("FILE: error: ")))
			return true;
	return false;
}

static void fuzz_options(struct span foreign, const struct import_options *options)
{
	struct text config = { config_room, 0, sizeof(config_room), false };
	struct text explain = { explain_room, 0, sizeof(explain_room), false };
	struct text report = { report_room, 0, sizeof(report_room), false };
	enum err err = import_postgrey(foreign, options, &config, &explain, &report);

	if (err == ERR_LIMIT)
		return;
	ENSURE((err != OK) == has_error(text_span(&report)));
	check_config(&config);
}

static void fuzz_pair(const struct postgrey *postgrey, const struct dump *dump)
{
	char key_room[KEY_ROOM], value_room[TRIPLET_TEXT_MAX + 1];
	struct postgrey_entry entry = {
		.key = { key_room, 0, sizeof(key_room), false },
		.value = { value_room, 0, sizeof(value_room), false },
	};
	enum postgrey_record record =
		postgrey_record(postgrey, span_of(dump->key, dump->key_len),
				span_of(dump->value, dump->value_len), &entry);
	struct triplet triplet;

	if (record != RECORD_TRIPLET && record != RECORD_CLIENT)
		return;
	ENSURE(entry.key.len > 0 && entry.key.len <= KEY_MAX && !entry.key.overrun);
	ENSURE(!entry.value.overrun && entry.expires_ms > 0);
	if (record == RECORD_TRIPLET)
		ENSURE(triplet_parse(text_span(&entry.value), &triplet) == OK);
}

static void fuzz_dump(struct span text, const struct import_options *options)
{
	static struct dump dump;
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct arena arena;
	struct postgrey postgrey = { .options = options, .arena = &arena, .report = &report };
	struct span line;

	dump = (struct dump){ .state = DUMP_OUTSIDE };
	arena_init(&arena, POSTGREY_ARENA_MAX);
	ENSURE(postgrey_read(&postgrey, SPAN("")) == OK);
	postgrey_understand(&postgrey);
	while (span_cut(&text, '\n', &line))
		if (dump_take(&dump, line) == DUMP_PAIR)
			fuzz_pair(&postgrey, &dump);
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const struct import_options options = { .path = SPAN_INIT("FILE") };
	struct span whole = span_of((const char *)bytes, count);
	size_t end = count == 0 ? 0 : span_find(whole, '\x1c');

	fuzz_options(span_first(whole, end), &options);
	fuzz_dump(span_from(whole, end + 1), &options);
	return 0;
}
