/* state_entry.c -- an entry of the store as JSON. */
#include "daemon/state_entry.h"

static void emit_member(struct emit *emit, struct span name, struct span text)
{
	emit_key(emit, name);
	emit_text(emit, text);
}

struct span state_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? span_of(json_string_value(value), json_string_length(value))
				     : SPAN("");
}

bool state_class_find(struct span name, enum store_class *class_out)
{
	for (int i = 0; i < STORE_CLASS_COUNT; i++)
		if (span_equal(name, store_class_name((enum store_class)i))) {
			*class_out = (enum store_class)i;
			return true;
		}
	return false;
}

void state_emit_entry(struct emit *emit, const struct store_entry *entry)
{
	emit_begin(emit, '{');
	emit_member(emit, SPAN("kind"), store_class_name(entry->class));
	emit_member(emit, SPAN("set"), entry->set);
	emit_member(emit, SPAN("key"), entry->key);
	emit_member(emit, SPAN("value"), entry->value);
	emit_key(emit, SPAN("expires"));
	emit_int(emit, entry->expires_ms);
	emit_end(emit, '}');
}

enum err state_entry_parse(const json_t *object, struct store_entry *entry_out,
			   const char **why_out)
{
	const json_t *set = json_object_get(object, "set");
	const json_t *expires = json_object_get(object, "expires");
	struct store_entry entry = {
		.set = state_text(object, "set"),
		.key = state_text(object, "key"),
		.value = state_text(object, "value"),
		.expires_ms = (int64_t)json_integer_value(expires),
	};

	if (!json_is_object(object))
		*why_out = "it is no JSON object";
	else if (!state_class_find(state_text(object, "kind"), &entry.class))
		*why_out = "\"kind\" is none of greylist, limit and known";
	else if (!json_is_string(json_object_get(object, "key")))
		*why_out = "\"key\" is missing, or no text";
	else if (!json_is_string(json_object_get(object, "value")))
		*why_out = "\"value\" is missing, or no text";
	else if (set != NULL && !json_is_string(set))
		*why_out = "\"set\" is no text";
	else if (expires != NULL && !json_is_integer(expires))
		*why_out = "\"expires\" is no whole number";
	else {
		*entry_out = entry;
		return OK;
	}
	return ERR_SYNTAX;
}
