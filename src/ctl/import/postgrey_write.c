/* postgrey_write.c -- the policy that decides as postgrey did.
 *
 * The order is postgrey's: clients on a white list, recipients on one, trusted clients, triplets.
 */
#include "base/escape.h"
#include "base/number.h"
#include "ctl/import/postgrey_priv.h"
#include "mail/domain.h"
#include "mail/ip.h"

enum { PORT_MAX = 65535, PORT_STANDARD = 10023, TEXT_MAX_HERE = 400, HEADER_MAX_HERE = 900 };

static void add(struct postgrey *postgrey, const char *text)
{
	text_add(postgrey->config, span_cstr(text));
}

/* The first character of s as a text of the language has it, which is UTF-8 without controls.
 *
 * @return its length in s
 */
static size_t add_quoted_character(struct text *text, struct span s)
{
	uint32_t character;
	size_t len = utf8_decode(s, &character);

	if (len == 0 || (character != '"' && character != '\\' && !utf8_is_plain(character))) {
		text_add_char(text, len == 0 ? '?' : ' ');
		return len == 0 ? 1 : len;
	}
	if (character == '"' || character == '\\')
		text_add_char(text, '\\');
	if (character == '$')
		text_add_char(text, '$');
	text_add(text, span_first(s, len));
	return len;
}

static void add_quoted(struct text *text, struct span s)
{
	while (s.len > 0)
		s = span_from(s, add_quoted_character(text, s));
}

/* --- where it listens --- */

static bool port_read(struct span text, int64_t *port_out)
{
	return number_parse(text, port_out) == OK && *port_out >= 1 && *port_out <= PORT_MAX;
}

/* The address of HOST as the language writes it; names of others are not looked up. */
static bool add_host(struct text *text, struct span host)
{
	struct ip ip;

	if (span_starts(host, SPAN("[")) && span_ends(host, SPAN("]")))
		host = span_of(host.at + 1, host.len - 2);
	if (host.len == 0 || span_equal_nocase(host, SPAN("localhost")))
		host = SPAN("127.0.0.1");
	if (span_equal(host, SPAN("*")))
		host = SPAN("0.0.0.0");
	if (ip_parse(host, &ip) != OK)
		return false;
	text_add(text, ip.family == IP_V6 ? SPAN("[") : SPAN(""));
	text_add_ip(text, ip);
	text_add(text, ip.family == IP_V6 ? SPAN("]") : SPAN(""));
	return true;
}

static void write_inet(struct postgrey *postgrey, struct span inet)
{
	size_t colon = span_rfind(inet, ':');
	struct span host = colon < inet.len ? span_first(inet, colon) : SPAN("");
	struct span port_text = colon < inet.len ? span_from(inet, colon + 1) : inet;
	TEXT(address, IP_TEXT_MAX + 2);
	int64_t port;

	if (!port_read(port_text, &port)) {
		postgrey_complain(postgrey, POSTGREY_INET, "no port: 10023 is taken");
		port = PORT_STANDARD;
	}
	if (!add_host(&address, host)) {
		postgrey_complain(postgrey, POSTGREY_INET, "no address: 127.0.0.1 is taken");
		text_clear(&address);
		text_add(&address, SPAN("127.0.0.1"));
	}
	text_addf(postgrey->config, "listen   inet:%.*s:%d policy postgrey\n",
		  SPAN_ARG(text_span(&address)), (int)port);
}

static bool is_mode(struct span mode)
{
	bool has_bit = false;

	for (size_t i = 0; i < mode.len; i++) {
		if (mode.at[i] < '0' || mode.at[i] > '7')
			return false;
		has_bit |= mode.at[i] != '0';
	}
	return has_bit && mode.len <= 4 && (mode.len < 4 || mode.at[0] == '0');
}

static void write_unix(struct postgrey *postgrey, struct span path)
{
	struct span mode = postgrey->value[POSTGREY_SOCKETMODE];

	if (!is_mode(mode)) {
		postgrey_complain(postgrey, POSTGREY_SOCKETMODE, "no mode: 0666 is taken");
		mode = SPAN("0666");
	}
	add(postgrey, "listen   \"unix:");
	add_quoted(postgrey->config, path);
	text_addf(postgrey->config, "\" mode %.*s policy postgrey\n", SPAN_ARG(mode));
}

static void write_listeners(struct postgrey *postgrey)
{
	struct span path = postgrey->value[POSTGREY_UNIX];
	struct span inet = postgrey->value[POSTGREY_INET];

	if (inet.len > 0 || path.len == 0)
		write_inet(postgrey, inet.len > 0 ? inet : SPAN("10023"));
	else
		write_unix(postgrey, path);
	if (inet.len == 0 || path.len == 0)
		return;
	postgrey->fate[POSTGREY_UNIX] = FATE_DROPPED;
	postgrey->note[POSTGREY_UNIX] = "beside --inet postgrey does not heed it";
}

/* As the language wants one. */
static bool is_hostname(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_letter(name.at[i]) && !ascii_is_digit(name.at[i]) &&
		    name.at[i] != '-' && name.at[i] != '_' && name.at[i] != '.')
			return false;
	return domain_can_exist(name) && !span_ends(name, SPAN("."));
}

static void write_settings(struct postgrey *postgrey)
{
	struct span hostname = postgrey->value[POSTGREY_HOSTNAME];

	add(postgrey, "# Made from postgrey's options by: weighctl import postgrey\n"
		      "# What became of each option: the same with --explain\n\n");
	write_listeners(postgrey);
	if (postgrey->options->control.len > 0) {
		add(postgrey, "control  \"");
		add_quoted(postgrey->config, postgrey->options->control);
		add(postgrey, "\"\n");
	}
	add(postgrey, "store    sqlite \"/var/lib/weighd/state.db\"\n");
	if (hostname.len > 0 && is_hostname(hostname))
		text_addf(postgrey->config, "hostname %.*s\n", SPAN_ARG(hostname));
	else if (hostname.len > 0)
		postgrey_complain(postgrey, POSTGREY_HOSTNAME, "no host name: left out");
}

/* --- white lists --- */

/* Tables, and the ends of their kinds' names. */
#define CLIENTS    "clients"
#define RECIPIENTS "recipients"

static void add_table(struct postgrey *postgrey, const char *name, unsigned number)
{
	text_add(postgrey->config, span_cstr(name));
	if (number > 0)
		text_addf(postgrey->config, "-%u", number + 1);
}

static void write_table(struct postgrey *postgrey, const char *name, unsigned number,
			struct span path)
{
	add(postgrey, "table ");
	add_table(postgrey, name, number);
	text_addf(postgrey->config, " postgrey-%s optional \"", name);
	add_quoted(postgrey->config, path);
	add(postgrey, "\"\n");
}

/* Without a list of his own an administrator has the shipped one and one beside it. */
static void standard_files(struct postgrey_files *files, struct span shipped, struct span local)
{
	if (files->count > 0)
		return;
	files->path[0] = shipped;
	files->path[1] = local;
	files->count = 2;
}

static void write_tables(struct postgrey *postgrey)
{
	standard_files(&postgrey->clients, SPAN("/etc/postgrey/whitelist_clients"),
		       SPAN("/etc/postgrey/whitelist_clients.local"));
	standard_files(&postgrey->recipients, SPAN("/etc/postgrey/whitelist_recipients"),
		       SPAN("/etc/postgrey/whitelist_recipients.local"));
	add(postgrey, "\n");
	for (unsigned i = 0; i < postgrey->clients.count; i++)
		write_table(postgrey, CLIENTS, i, postgrey->clients.path[i]);
	for (unsigned i = 0; i < postgrey->recipients.count; i++)
		write_table(postgrey, RECIPIENTS, i, postgrey->recipients.path[i]);
}

static void write_passes(struct postgrey *postgrey)
{
	for (unsigned i = 0; i < postgrey->clients.count; i++) {
		add(postgrey, "\tpass if client_name in ");
		add_table(postgrey, CLIENTS, i);
		add(postgrey, " or client_address in ");
		add_table(postgrey, CLIENTS, i);
		add(postgrey, "\n");
	}
	for (unsigned i = 0; i < postgrey->recipients.count; i++) {
		add(postgrey, "\tpass if recipient in ");
		add_table(postgrey, RECIPIENTS, i);
		add(postgrey, "\n");
	}
}

/* --- texts --- */

struct place {
	char letter;         /* of which only the first place is filled */
	struct span pattern; /* what is replaced */
	const char *text;    /* in the language */
};

static uint32_t bit_of(const struct place *place)
{
	return 1U << (place->letter - 'a');
}

/* @return place_count: at the front of s is no place that is to be filled */
static size_t place_find(struct span s, const struct place *place, size_t place_count,
			 uint32_t filled)
{
	size_t n = 0;

	while (n < place_count &&
	       (!span_starts(s, place[n].pattern) || (filled & bit_of(&place[n])) != 0))
		n++;
	return n;
}

/* A text of postgrey's, in the language. */
static void add_filled(struct text *text, struct span foreign, const struct place *place,
		       size_t place_count)
{
	uint32_t filled = 0;

	while (foreign.len > 0) {
		size_t n = place_find(foreign, place, place_count, filled), len;

		if (n == place_count) {
			len = add_quoted_character(text, foreign);
		} else {
			filled |= bit_of(&place[n]);
			text_add(text, span_cstr(place[n].text));
			len = place[n].pattern.len;
		}
		foreign = span_from(foreign, len);
	}
}

/* Is it the action of a greylist statement, but for the code that may stand in its text? */
static bool is_standard(struct span action)
{
	return span_equal_nocase(action, SPAN("DEFER_IF_PERMIT"));
}

static bool is_code(struct span action)
{
	return action.len == 3 && action.at[0] == '4' && ascii_is_digit(action.at[1]) &&
	       ascii_is_digit(action.at[2]);
}

/* Action, where it is not the standard, and text.  Postfix's own 4.7.1 is not wanted: an old
 * Exchange takes it as final. */
static void write_reply(struct postgrey *postgrey)
{
	static const struct place places[] = {
		{ 's', SPAN_INIT("%s"), "${greylist.wait}" },
		{ 'r', SPAN_INIT("%r"), "${recipient.domain}" },
	};
	struct span action = postgrey->value[POSTGREY_GREYLIST_ACTION];
	struct span text = postgrey->value[POSTGREY_GREYLIST_TEXT];
	TEXT(reply, 2 * TEXT_MAX_HERE);

	if (!is_standard(action)) {
		add_quoted(&reply, action);
		text_add_char(&reply, ' ');
	}
	if (text.len == 0 || !ascii_is_digit(text.at[0]))
		text_add(&reply, SPAN("4.2.0 "));
	add_filled(&reply, text, places, sizeof(places) / sizeof(*places));
	if (reply.overrun || reply.len > TEXT_MAX_HERE) {
		postgrey_complain(postgrey, POSTGREY_GREYLIST_TEXT,
				  "too long: one of our own is taken");
		text_clear(&reply);
		text_add(&reply, SPAN("4.2.0 Greylisted, try again in ${greylist.wait} seconds"));
	}
	text_add_char(postgrey->config, '"');
	text_add(postgrey->config, text_span(&reply));
	text_add_char(postgrey->config, '"');
}

/* A name as all headers have it, and a colon. */
static bool is_header(struct span text)
{
	struct span name = span_first(text, span_find(text, ':'));

	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_letter(name.at[i]) && !ascii_is_digit(name.at[i]) &&
		    name.at[i] != '-' && name.at[i] != '_')
			return false;
	return name.len > 0 && name.len < text.len;
}

/* "postgrey-%v" is a program's name with its version; ours needs none. */
static void write_header(struct postgrey *postgrey)
{
	static const struct place places[] = {
		{ 't', SPAN_INIT("%t"), "${greylist.delayed}" },
		{ 'v', SPAN_INIT("postgrey-%v"), "weighd" },
		{ 'v', SPAN_INIT("%v"), "weighd" },
		{ 'h', SPAN_INIT("%h"), "${hostname}" },
		{ 'd', SPAN_INIT("%d"), "${date}" },
	};
	struct span foreign = postgrey->value[POSTGREY_X_GREYLIST_HEADER];
	TEXT(header, HEADER_MAX_HERE);

	add_filled(&header, foreign, places, sizeof(places) / sizeof(*places));
	if (header.overrun || !is_header(foreign)) {
		postgrey_complain(postgrey, POSTGREY_X_GREYLIST_HEADER,
				  "no header, or too long: one of our own is taken");
		text_clear(&header);
		text_add(&header,
			 SPAN("X-Greylist: delayed ${greylist.delayed} seconds by weighd"));
	}
	text_add_char(postgrey->config, '"');
	text_add(postgrey->config, text_span(&header));
	text_add_char(postgrey->config, '"');
}

/* --- the whole --- */

static void add_duration(struct text *text, int64_t ms)
{
	static const struct {
		int64_t ms;
		char unit;
	} units[] = { { 86400000, 'd' }, { 3600000, 'h' }, { 60000, 'm' } };
	size_t i = 0;

	while (i < sizeof(units) / sizeof(*units) && ms % units[i].ms != 0)
		i++;
	if (i < sizeof(units) / sizeof(*units))
		text_addf(text, "%lld%c", (long long)(ms / units[i].ms), units[i].unit);
	else
		text_addf(text, "%llds", (long long)(ms / 1000));
}

static void write_terms(struct postgrey *postgrey)
{
	struct text *config = postgrey->config;

	add(postgrey, "greylist for ");
	add_duration(config, postgrey->terms.delay_ms);
	add(postgrey, " within ");
	add_duration(config, postgrey->terms.window_ms);
	add(postgrey, " remember ");
	add_duration(config, postgrey->terms.keep_ms);
	if (postgrey->trust > 0) {
		text_addf(config, " trust %lld for ", (long long)postgrey->trust);
		add_duration(config, postgrey->terms.keep_ms);
		add(postgrey, " every 1h of client_address");
	} else {
		add(postgrey, " no trust");
	}
	text_addf(config, " by %s,\n\t\tsender.folded, recipient ",
		  postgrey->is_by_host ? "client_address" : "client_network");
}

/* Another action than a deferral if all else permits: the greylist statement only judges. */
static void write_other_action(struct postgrey *postgrey)
{
	postgrey->fate[POSTGREY_GREYLIST_ACTION] = FATE_CHANGED;
	postgrey->note[POSTGREY_GREYLIST_ACTION] =
		"the greylist statement only judges, and reply answers";
	add(postgrey, "\tobserve ");
	write_terms(postgrey);
	add(postgrey, "no header\n\tprepend ");
	write_header(postgrey);
	add(postgrey, " if greylist.state = \"passed\"\n\treply ");
	write_reply(postgrey);
	add(postgrey, " if greylist.wait > 0\n");
}

void postgrey_write(struct postgrey *postgrey)
{
	struct span action = postgrey->value[POSTGREY_GREYLIST_ACTION];

	write_settings(postgrey);
	write_tables(postgrey);
	add(postgrey, "\npolicy postgrey {\n");
	write_passes(postgrey);
	if (!is_standard(action) && !is_code(action)) {
		write_other_action(postgrey);
	} else {
		add(postgrey, "\t");
		write_terms(postgrey);
		add(postgrey, "header ");
		write_header(postgrey);
		add(postgrey, " ");
		write_reply(postgrey);
		add(postgrey, "\n");
	}
	add(postgrey, "}\n");
}
