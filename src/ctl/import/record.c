/* record.c -- entries of a store as JSON lines. */
#include "ctl/import/record.h"

static void emit_member(struct emit *emit, struct span name, struct span text)
{
	emit_key(emit, name);
	emit_text(emit, text);
}

void import_record_write(struct import_records *records, const struct store_entry *entry)
{
	struct emit *emit = &records->emit;

	if (records->out == NULL)
		return;
	emit_clear(emit);
	emit_begin(emit, '{');
	emit_member(emit, SPAN("kind"), store_class_name(entry->class));
	emit_member(emit, SPAN("set"), entry->set);
	emit_member(emit, SPAN("key"), entry->key);
	emit_member(emit, SPAN("value"), entry->value);
	emit_key(emit, SPAN("expires"));
	emit_int(emit, entry->expires_ms);
	emit_end(emit, '}');
	if (emit->failed || fwrite(emit->at, 1, emit->len, records->out) != emit->len ||
	    fputc('\n', records->out) == EOF)
		records->has_failed = true;
}
