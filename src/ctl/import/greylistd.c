/* greylistd.c -- /etc/greylistd/config becomes a weighd.conf. */
#include "ctl/import/greylistd.h"

#include "ctl/import/greylistd_priv.h"

static const struct setting greylistd_settings[] = {
#define SETTING(symbol, name, standard, fate, note)                                                \
	{ SPAN_INIT(name), SPAN_INIT(standard), SETTING_##fate, note },
	GREYLISTD_SETTINGS(SETTING)
#undef SETTING
};

/* --- reading: sections in brackets, "key = value" or "key: value", # and ; begin comments --- */

static void take_section(struct settings *settings, uint32_t number, struct span line,
			 struct text *section)
{
	struct span name = span_first(span_from(line, 1), span_find(span_from(line, 1), ']'));

	text_clear(section);
	text_add_lower(section, name);
	if (section->overrun || !span_ends(line, SPAN("]")))
		settings_complain(settings, number, "no section", line);
}

static void take_value(struct settings *settings, uint32_t number, struct span line,
		       const struct text *section)
{
	size_t equals = span_find(line, '='), colon = span_find(line, ':');
	size_t end = equals < colon ? equals : colon;
	TEXT(name, 128);

	if (end == line.len) {
		settings_complain(settings, number, "no \"key = value\": left out", line);
		return;
	}
	text_add(&name, text_span(section));
	text_add_char(&name, '.');
	text_add(&name, span_trim(span_first(line, end)));
	settings_take(settings, text_span(&name), span_trim(span_from(line, end + 1)), number);
}

void greylistd_read(struct settings *settings, struct span foreign,
		    const struct import_options *options, struct text *report)
{
	struct span line;
	TEXT(section, 64);

	*settings = (struct settings){
		.known = greylistd_settings,
		.count = GREYLISTD_SETTING_COUNT,
		.path = options->path,
		.report = report,
	};
	settings_init(settings);
	for (uint32_t number = 1; span_cut(&foreign, '\n', &line); number++) {
		if (span_ends(line, SPAN("\r")))
			line.len--;
		line = span_trim(line);
		if (line.len == 0 || line.at[0] == '#' || line.at[0] == ';')
			continue;
		if (line.at[0] == '[')
			take_section(settings, number, line, &section);
		else
			take_value(settings, number, line, &section);
	}
}

/* --- values --- */

bool greylistd_truth(struct settings *settings, enum greylistd_setting setting)
{
	static const struct {
		struct span word;
		bool truth;
	} words[] = {
		{ SPAN_INIT("yes"), true },    { SPAN_INIT("true"), true },
		{ SPAN_INIT("on"), true },     { SPAN_INIT("no"), false },
		{ SPAN_INIT("false"), false }, { SPAN_INIT("off"), false },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (span_equal_nocase(settings->value[setting], words[i].word))
			return words[i].truth;
	settings->value[setting] =
		settings->value[setting].len > 0 ? settings->value[setting] : SPAN("0");
	for (size_t i = 0; i < settings->value[setting].len; i++)
		if (!ascii_is_digit(settings->value[setting].at[i])) {
			settings_complain(settings, settings->line[setting],
					  "neither yes nor no: taken as no",
					  settings->value[setting]);
			settings->value[setting] = SPAN("no");
			return false;
		}
	return !span_equal(settings->value[setting], SPAN("0"));
}

int64_t greylistd_seconds(struct settings *settings, enum greylistd_setting setting)
{
	return settings_number(settings, setting, 0, GREYLISTD_S_MAX);
}

static bool is_octal(struct span mode)
{
	for (size_t i = 0; i < mode.len; i++)
		if (mode.at[i] < '0' || mode.at[i] > '7')
			return false;
	return mode.len >= 3 && mode.len <= 4;
}

/* --- the policy --- */

static void write_listen(struct settings *settings, struct text *config)
{
	struct span mode = settings->value[GREYLISTD_SOCKET_MODE];
	struct span path = settings->value[GREYLISTD_SOCKET_PATH];
	TEXT(address, 1024);

	if (!is_octal(mode)) {
		settings_complain(settings, settings->line[GREYLISTD_SOCKET_MODE],
				  "no mode: the standard is taken", mode);
		mode = SPAN("0660");
	}
	text_add(&address, SPAN("unix:"));
	text_add(&address, path);
	if (path.len == 0 || path.at[0] != '/' || address.overrun) {
		settings_complain(settings, settings->line[GREYLISTD_SOCKET_PATH],
				  "no absolute path: the standard is taken", path);
		text_clear(&address);
		text_add(&address, SPAN("unix:/var/run/greylistd/socket"));
	}
	text_add(config, SPAN("# The folder of the socket must be there, and belong to root or to "
			      "weighd's user.\nlisten   "));
	config_add_quoted(config, text_span(&address));
	text_add(config, SPAN(" mode "));
	text_add(config, mode);
	text_add(config, SPAN(" greylistd policy greylistd\n"));
}

/* The ACL of greylistd heeds these itself; one that asks with the whole attempt need not. */
static void write_tables(struct text *config)
{
	text_add(config, SPAN("table whitelist-hosts exim-hosts optional "
			      "\"/etc/greylistd/whitelist-hosts\"\n"
			      "table shipped-hosts exim-hosts optional "
			      "\"/var/lib/greylistd/whitelist-hosts\"\n\n"));
}

static void write_policy(struct settings *settings, struct text *config)
{
	bool by_address = greylistd_truth(settings, GREYLISTD_SINGLECHECK);
	bool learns_address = greylistd_truth(settings, GREYLISTD_SINGLEUPDATE);
	long long wait = (long long)greylistd_seconds(settings, GREYLISTD_RETRY_MIN) + 1;
	long long window = (long long)greylistd_seconds(settings, GREYLISTD_RETRY_MAX);
	long long expire = (long long)greylistd_seconds(settings, GREYLISTD_EXPIRE);

	text_add(config, SPAN("policy greylistd {\n"
			      "\tpass if client_address in whitelist-hosts or "
			      "client_name in whitelist-hosts\n"
			      "\tpass if client_address in shipped-hosts or "
			      "client_name in shipped-hosts\n"));
	if (by_address && !learns_address)
		text_add(config, SPAN("\t# weighctl known add greylistd-clients ADDRESS\n"
				      "\tpass if client_address in greylistd-clients\n"));
	text_addf(config,
		  "\tgreylist for %llds within %llds remember %llds by client_address,\n"
		  "\t    sender, recipient ",
		  wait, window > wait ? window : wait, expire);
	if (by_address && learns_address)
		text_addf(config, "trust 1 for %llds of client_address", expire);
	else
		text_add(config, SPAN("no trust"));
	text_add(config, SPAN(" no header \"4.7.1 not yet authorized, please try later\"\n}\n"));
}

enum err import_greylistd(struct span foreign, const struct import_options *options,
			  struct text *config_out, struct text *explain_out,
			  struct text *report_out)
{
	struct settings settings;

	greylistd_read(&settings, foreign, options, report_out);
	config_add_heading(config_out, options, "greylistd");
	write_listen(&settings, config_out);
	config_add_places(config_out, options);
	text_add(config_out, SPAN("log      syslog\nmode     enforce\n\n"));
	if (greylistd_truth(&settings, GREYLISTD_SINGLECHECK) &&
	    !greylistd_truth(&settings, GREYLISTD_SINGLEUPDATE))
		text_add(config_out, SPAN("table greylistd-clients known\n"));
	write_tables(config_out);
	write_policy(&settings, config_out);
	settings_explain(&settings, explain_out);
	if (config_out->overrun || explain_out->overrun || report_out->overrun)
		return ERR_LIMIT;
	return settings.mistakes > 0 ? ERR_SYNTAX : OK;
}
