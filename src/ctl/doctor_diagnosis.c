/* doctor_diagnosis.c -- the list of symptoms, for people and for programs. */
#include "ctl/doctor.h"

#include "base/emit.h"
#include "base/ensure.h"

#include <stdarg.h>
#include <stdlib.h>

static const char *const level_name[] = {
	[SYMPTOM_OK] = "ok",
	[SYMPTOM_NOTE] = "note",
	[SYMPTOM_WARN] = "WARN",
	[SYMPTOM_FAIL] = "FAIL",
};

void diagnosis_init(struct diagnosis *diagnosis)
{
	arena_init(&diagnosis->arena, DIAGNOSIS_BYTES_MAX);
	diagnosis->count = 0;
}

void diagnosis_release(struct diagnosis *diagnosis)
{
	arena_release(&diagnosis->arena);
}

static struct span print_to(struct diagnosis *diagnosis, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static struct span print_to(struct diagnosis *diagnosis, const char *format, va_list arguments)
{
	static char room[SYMPTOM_TEXT_MAX];
	int len = vsnprintf(room, sizeof(room), format, arguments);
	struct span copy;

	ENSURE(len >= 0);
	copy = arena_copy(&diagnosis->arena,
			  span_first(span_of(room, sizeof(room) - 1), (size_t)len));
	return copy.at == NULL ? SPAN("") : copy;
}

void diagnose(struct diagnosis *diagnosis, enum symptom_level level, const char *subject,
	      const char *format, ...)
{
	struct symptom *symptom;
	va_list arguments;

	/* The last place is the last one's: a list that is too long still shows its end. */
	if (diagnosis->count == SYMPTOMS_MAX)
		diagnosis->count--;
	symptom = &diagnosis->symptom[diagnosis->count++];
	*symptom = (struct symptom){ .level = level, .subject = span_cstr(subject) };
	va_start(arguments, format);
	symptom->text = print_to(diagnosis, format, arguments);
	va_end(arguments);
}

void diagnosis_why(struct diagnosis *diagnosis, const char *format, ...)
{
	va_list arguments;

	ENSURE(diagnosis->count > 0);
	va_start(arguments, format);
	diagnosis->symptom[diagnosis->count - 1].why = print_to(diagnosis, format, arguments);
	va_end(arguments);
}

void diagnosis_fix(struct diagnosis *diagnosis, const char *format, ...)
{
	va_list arguments;

	ENSURE(diagnosis->count > 0);
	va_start(arguments, format);
	diagnosis->symptom[diagnosis->count - 1].fix = print_to(diagnosis, format, arguments);
	va_end(arguments);
}

size_t diagnosis_needs(const struct diagnosis *diagnosis)
{
	size_t count = 0;

	for (size_t i = 0; i < diagnosis->count; i++)
		count += diagnosis->symptom[i].level >= SYMPTOM_WARN;
	return count;
}

static void print_below(const char *head, struct span text)
{
	struct span line;

	while (span_cut(&text, '\n', &line)) {
		printf("         %s", head);
		ctl_print_line(stdout, line);
		putchar('\n');
	}
}

void diagnosis_print(const struct diagnosis *diagnosis)
{
	size_t needs = diagnosis_needs(diagnosis);

	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct symptom *symptom = &diagnosis->symptom[i];

		printf("%2zu %-4s  ", i + 1, level_name[symptom->level]);
		ctl_print_line(stdout, symptom->text);
		putchar('\n');
		print_below("", symptom->why);
		print_below("fix: ", symptom->fix);
	}
	if (needs == 0)
		puts("Nothing needs you.");
	else
		printf("%zu finding%s you.\n", needs, needs == 1 ? " needs" : "s need");
}

static void emit_member(struct emit *emit, const char *name, struct span text)
{
	emit_key(emit, span_cstr(name));
	emit_text(emit, text);
}

int diagnosis_print_json(const struct diagnosis *diagnosis)
{
	struct emit emit = { 0 };
	char *json;

	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("ok"));
	emit_bool(&emit, diagnosis_needs(diagnosis) == 0);
	emit_key(&emit, SPAN("needs"));
	emit_int(&emit, (int64_t)diagnosis_needs(diagnosis));
	emit_key(&emit, SPAN("findings"));
	emit_begin(&emit, '[');
	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct symptom *symptom = &diagnosis->symptom[i];

		emit_begin(&emit, '{');
		emit_key(&emit, SPAN("number"));
		emit_int(&emit, (int64_t)i + 1);
		emit_member(&emit, "level", span_cstr(level_name[symptom->level]));
		emit_member(&emit, "subject", symptom->subject);
		emit_member(&emit, "text", symptom->text);
		if (symptom->why.len > 0)
			emit_member(&emit, "why", symptom->why);
		if (symptom->fix.len > 0)
			emit_member(&emit, "fix", symptom->fix);
		emit_end(&emit, '}');
	}
	emit_end(&emit, ']');
	emit_end(&emit, '}');
	json = emit_take(&emit);
	if (json == NULL) {
		ctl_say("out of memory");
		return EX_OSERR;
	}
	puts(json);
	free(json);
	return EX_OK;
}
