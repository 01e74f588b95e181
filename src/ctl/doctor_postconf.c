/* doctor_postconf.c -- Postfix's configuration as postconf(1) prints it. */
#include "ctl/doctor_postconf.h"

#include "base/number.h"
#include "base/text.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_separator(char c)
{
	return is_blank(c) || c == ',';
}

static struct span trim(struct span s)
{
	while (s.len > 0 && is_blank(s.at[0]))
		s = span_from(s, 1);
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

/* --- words --- */

/* Separators between braces are part of the word: inline:{a=b, c=d} is one. */
static size_t word_len(struct span s)
{
	size_t len = 0, depth = 0;

	for (; len < s.len && (depth > 0 || !is_separator(s.at[len])); len++) {
		if (s.at[len] == '{')
			depth++;
		else if (s.at[len] == '}' && depth > 0)
			depth--;
	}
	return len;
}

bool postconf_word(struct span *rest, struct span *word_out)
{
	size_t len;

	while (rest->len > 0 && is_separator(rest->at[0]))
		*rest = span_from(*rest, 1);
	if (rest->len == 0)
		return false;
	len = word_len(*rest);
	*word_out = span_first(*rest, len);
	*rest = span_from(*rest, len);
	return true;
}

struct span postconf_inside(struct span word)
{
	if (word.len >= 2 && word.at[0] == '{' && word.at[word.len - 1] == '}')
		return trim(span_of(word.at + 1, word.len - 2));
	return word;
}

bool postconf_split(struct span text, struct postconf_parameter *parameter_out)
{
	size_t equal = span_find(text, '=');

	if (equal == text.len)
		return false;
	parameter_out->name = trim(span_first(text, equal));
	parameter_out->value = trim(span_from(text, equal + 1));
	return parameter_out->name.len > 0;
}

int64_t postconf_time_ms(struct span text)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = { { 's', 1000 },
		      { 'm', 60 * 1000 },
		      { 'h', 3600 * 1000 },
		      { 'd', 86400 * 1000 },
		      { 'w', INT64_C(7) * 86400 * 1000 } };
	int64_t number, ms = 1000;

	text = trim(text);
	if (text.len > 0 && ascii_is_letter(text.at[text.len - 1])) {
		char unit = ascii_lower(text.at[text.len - 1]);

		ms = 0;
		for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
			if (units[i].unit == unit)
				ms = units[i].ms;
		text.len--;
	}
	if (ms == 0 || number_parse(text, &number) != OK || number < 0 || number > INT32_MAX)
		return -1;
	return number * ms;
}

/* --- the texts --- */

/* A line and the lines behind it that begin with a blank. */
static bool cut_logical_line(struct span *rest, struct span *line_out)
{
	const char *begin = rest->at;
	struct span line;

	if (!span_cut(rest, '\n', &line))
		return false;
	while (rest->len > 0 && (rest->at[0] == ' ' || rest->at[0] == '\t'))
		if (!span_cut(rest, '\n', &line))
			break;
	*line_out = span_of(begin, (size_t)(line.at + line.len - begin));
	return true;
}

static enum err parse_main(struct span text, struct postconf *postconf)
{
	struct span line;

	postconf->parameter =
		ARENA_ARRAY(postconf->arena, struct postconf_parameter, POSTCONF_PARAMETERS_MAX);
	if (postconf->parameter == NULL)
		return ERR_LIMIT;
	while (cut_logical_line(&text, &line)) {
		struct postconf_parameter parameter;

		if (line.len == 0 || line.at[0] == '#' || !postconf_split(line, &parameter))
			continue;
		if (postconf->parameter_count == POSTCONF_PARAMETERS_MAX)
			return ERR_LIMIT;
		postconf->parameter[postconf->parameter_count++] = parameter;
	}
	return OK;
}

/* -o NAME=VALUE, -oNAME=VALUE, -o { NAME = VALUE } */
static enum err parse_overrides(struct postconf *postconf, struct postconf_service *service)
{
	struct span rest = service->arguments, word;

	service->override =
		ARENA_ARRAY(postconf->arena, struct postconf_parameter, POSTCONF_OVERRIDES_MAX);
	if (service->override == NULL)
		return ERR_LIMIT;
	for (;;) {
		struct postconf_parameter parameter;

		/* Commas stand inside values here. */
		rest = trim(rest);
		if (rest.len == 0)
			return OK;
		word = span_first(rest, 0);
		while (word.len < rest.len && !is_blank(rest.at[word.len]))
			word.len++;
		if (rest.at[0] == '{')
			word.len = word_len(rest);
		rest = span_from(rest, word.len);
		if (span_equal(word, SPAN("-o")))
			continue;
		if (span_starts(word, SPAN("-o")))
			word = span_from(word, 2);
		if (!postconf_split(postconf_inside(word), &parameter))
			continue;
		if (service->override_count == POSTCONF_OVERRIDES_MAX)
			return ERR_LIMIT;
		service->override[service->override_count++] = parameter;
	}
}

static bool cut_field(struct span *rest, struct span *field_out)
{
	*rest = trim(*rest);
	*field_out = span_first(*rest, 0);
	while (field_out->len < rest->len && !is_blank(rest->at[field_out->len]))
		field_out->len++;
	*rest = span_from(*rest, field_out->len);
	return field_out->len > 0;
}

static enum err parse_service(struct span line, struct postconf *postconf)
{
	struct postconf_service service = { 0 };
	struct span unprivileged, wakeup;
	struct span *const fields[] = { &service.name,          &service.type,   &service.private,
					&unprivileged,          &service.chroot, &wakeup,
					&service.process_limit, &service.command };
	enum err err;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (!cut_field(&line, fields[i]))
			return OK;
	service.arguments = trim(line);
	err = parse_overrides(postconf, &service);
	if (err == OK && postconf->service_count == POSTCONF_SERVICES_MAX)
		err = ERR_LIMIT;
	if (err == OK)
		postconf->service[postconf->service_count++] = service;
	return err;
}

static enum err parse_master(struct span text, struct postconf *postconf)
{
	struct span line;
	enum err err = OK;

	postconf->service =
		ARENA_ARRAY(postconf->arena, struct postconf_service, POSTCONF_SERVICES_MAX);
	if (postconf->service == NULL)
		return ERR_LIMIT;
	while (err == OK && cut_logical_line(&text, &line))
		if (line.len > 0 && line.at[0] != '#')
			err = parse_service(line, postconf);
	return err;
}

enum err postconf_parse(struct span main_cf, struct span master_cf, struct arena *arena,
			struct postconf *postconf_out)
{
	struct postconf postconf = { .arena = arena };
	enum err err;

	if (main_cf.len > POSTCONF_BYTES_MAX || master_cf.len > POSTCONF_BYTES_MAX)
		return ERR_LIMIT;
	err = parse_main(main_cf, &postconf);
	if (err == OK)
		err = parse_master(master_cf, &postconf);
	if (err == OK)
		*postconf_out = postconf;
	return err;
}

/* --- values --- */

/* What Postfix takes where main.cf is silent: postconf(5). */
static const struct postconf_parameter defaults[] = {
	{ SPAN_INIT("queue_directory"), SPAN_INIT("/var/spool/postfix") },
	{ SPAN_INIT("mail_owner"), SPAN_INIT("postfix") },
	{ SPAN_INIT("setgid_group"), SPAN_INIT("postdrop") },
	{ SPAN_INIT("default_process_limit"), SPAN_INIT("100") },
	{ SPAN_INIT("command_time_limit"), SPAN_INIT("1000s") },
	{ SPAN_INIT("smtpd_delay_reject"), SPAN_INIT("yes") },
	{ SPAN_INIT("smtpd_policy_service_default_action"),
	  SPAN_INIT("451 4.3.5 Server configuration problem") },
	{ SPAN_INIT("smtpd_policy_service_max_idle"), SPAN_INIT("300s") },
	{ SPAN_INIT("smtpd_policy_service_max_ttl"), SPAN_INIT("1000s") },
	{ SPAN_INIT("smtpd_policy_service_timeout"), SPAN_INIT("100s") },
	{ SPAN_INIT("smtpd_policy_service_try_limit"), SPAN_INIT("2") },
};

#define RELAY_STANDARD "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"

static const struct postconf_parameter *find(const struct postconf_parameter *parameter,
					     size_t count, struct span name)
{
	/* Of several the last one counts. */
	for (size_t i = count; i-- > 0;)
		if (span_equal(parameter[i].name, name))
			return &parameter[i];
	return NULL;
}

static const struct postconf_parameter *
said(const struct postconf *postconf, const struct postconf_service *service, struct span name)
{
	const struct postconf_parameter *parameter = NULL;

	if (service != NULL)
		parameter = find(service->override, service->override_count, name);
	if (parameter == NULL)
		parameter = find(postconf->parameter, postconf->parameter_count, name);
	return parameter;
}

bool postconf_has(const struct postconf *postconf, const struct postconf_service *service,
		  struct span name)
{
	return said(postconf, service, name) != NULL;
}

/* Since Postfix 3.6 the old default, no relay restrictions, holds below level 1. */
static struct span relay_default(const struct postconf *postconf)
{
	const struct postconf_parameter *level =
		find(postconf->parameter, postconf->parameter_count, SPAN("compatibility_level"));

	if (level == NULL || span_equal(level->value, SPAN("0")))
		return SPAN("");
	return SPAN(RELAY_STANDARD);
}

static struct span raw_value(const struct postconf *postconf,
			     const struct postconf_service *service, struct span name)
{
	const struct postconf_parameter *parameter = said(postconf, service, name);

	if (parameter == NULL)
		parameter = find(defaults, sizeof(defaults) / sizeof(*defaults), name);
	if (parameter != NULL)
		return parameter->value;
	if (span_equal(name, SPAN("smtpd_relay_restrictions")))
		return relay_default(postconf);
	return SPAN("");
}

static bool is_name_char(char c)
{
	return ascii_is_letter(c) || ascii_is_digit(c) || c == '_';
}

/* $name, ${name} or $(name) at the front; 0: nothing of the kind, so it stays as it is. */
static size_t reference_len(struct span s, struct span *name_out)
{
	size_t begin = 1, len = 0;
	char close = '\0';

	if (s.len < 2 || s.at[0] != '$')
		return 0;
	if (s.at[1] == '{' || s.at[1] == '(') {
		close = s.at[1] == '{' ? '}' : ')';
		begin = 2;
	}
	while (begin + len < s.len && is_name_char(s.at[begin + len]))
		len++;
	if (len == 0 || (close != '\0' && (begin + len >= s.len || s.at[begin + len] != close)))
		return 0;
	*name_out = span_of(s.at + begin, len);
	return begin + len + (close != '\0');
}

struct expansion {
	const struct postconf *postconf;
	const struct postconf_service *service;
	struct text *text;
};

static void expand(const struct expansion *expansion, struct span value, unsigned depth)
{
	while (value.len > 0 && !expansion->text->overrun) {
		size_t plain = span_find(value, '$'), len;
		struct span name;

		text_add(expansion->text, span_first(value, plain));
		value = span_from(value, plain);
		if (value.len == 0)
			return;
		len = depth < POSTCONF_DEPTH_MAX ? reference_len(value, &name) : 0;
		if (len > 0)
			expand(expansion, raw_value(expansion->postconf, expansion->service, name),
			       depth + 1);
		else
			text_add_char(expansion->text, '$');
		value = span_from(value, len > 0 ? len : 1);
	}
}

struct span postconf_get(const struct postconf *postconf, const struct postconf_service *service,
			 struct span name)
{
	struct span value = raw_value(postconf, service, name), copy;
	TEXT(text, POSTCONF_VALUE_MAX);
	const struct expansion expansion = { postconf, service, &text };

	if (span_find(value, '$') == value.len)
		return value;
	expand(&expansion, value, 0);
	copy = text.overrun ? (struct span){ 0 } : arena_copy(postconf->arena, text_span(&text));
	return copy.at == NULL ? value : copy;
}
