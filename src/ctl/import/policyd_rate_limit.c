/* policyd_rate_limit.c -- policyd-rate-limit's YAML becomes a weighd.conf. */
#include "ctl/import/policyd_rate_limit.h"

#include "base/escape.h"
#include "ctl/import/policyd_rate_limit_priv.h"
#include "mail/address.h"
#include "mail/ip.h"

static const struct setting rate_limit_settings[] = {
#define SETTING(name, standard, fate, note)                                                        \
	{ SPAN_INIT(#name), SPAN_INIT(standard), SETTING_##fate, note },
	RATE_LIMIT_SETTINGS(SETTING)
#undef SETTING
};

enum { IDLE_S_LEAST = 1, IDLE_S_MOST = 86400, YAML_REPORT_MAX = 200 };

static void add(struct rate_limit *rate, const char *text)
{
	text_add(rate->config, span_cstr(text));
}

/* --- reading --- */

static const struct yaml_node *member(const struct rate_limit *rate,
				      enum rate_limit_setting setting)
{
	/* The names of the table are C strings; a span of one ends with a NUL. */
	return rate->root == NULL ? NULL
				  : yaml_member(rate->root, rate_limit_settings[setting].name.at);
}

static struct span shown(struct rate_limit *rate, const struct yaml_node *node)
{
	TEXT(text, RL_TEXT_MAX * 4);

	text_add_yaml(&text, node);
	return arena_copy(&rate->arena, text_span(&text));
}

static void complain(struct rate_limit *rate, const struct yaml_node *node, const char *problem)
{
	settings_complain(&rate->settings, node->line, problem, shown(rate, node));
}

static bool bool_of(struct rate_limit *rate, enum rate_limit_setting setting)
{
	const struct yaml_node *node = member(rate, setting);
	bool truth = span_equal(rate_limit_settings[setting].standard, SPAN("True"));

	if (node != NULL && yaml_bool(node, &truth) != OK)
		complain(rate, node, "neither True nor False: the default is taken");
	return truth;
}

static int64_t number_of(struct rate_limit *rate, enum rate_limit_setting setting, int64_t least,
			 int64_t most, int64_t standard)
{
	const struct yaml_node *node = member(rate, setting);
	int64_t number;

	if (node == NULL)
		return standard;
	if (yaml_number(node, &number) == OK && number >= least && number <= most)
		return number;
	complain(rate, node, "no such number is possible: the default is taken");
	return standard;
}

static struct span text_of(struct rate_limit *rate, enum rate_limit_setting setting)
{
	const struct yaml_node *node = member(rate, setting);

	if (node == NULL)
		return rate_limit_settings[setting].standard;
	if (node->kind == YAML_SCALAR && node->text.len > 0)
		return span_first(node->text, RL_TEXT_MAX);
	complain(rate, node, "no text: the default is taken");
	return rate_limit_settings[setting].standard;
}

/* [10, 60] */
static bool rate_of(struct rate_limit *rate, const struct yaml_node *pair, struct rate *rate_out)
{
	const struct yaml_node *most = pair->kind == YAML_LIST ? pair->first : NULL;
	const struct yaml_node *period = most == NULL ? NULL : most->next;
	int64_t number, s;

	if (period == NULL || period->next != NULL || yaml_number(most, &number) != OK ||
	    yaml_number(period, &s) != OK || number < 0 || number > RATE_MOST_MAX || s < 1) {
		complain(rate, pair, "no [number of mails, number of seconds]: left out");
		return false;
	}
	if (s > RATE_PERIOD_MS_MAX / 1000) {
		complain(rate, pair, "longer than 400 days: 400 days are taken");
		s = RATE_PERIOD_MS_MAX / 1000;
	}
	*rate_out = (struct rate){ number, s * 1000 };
	return true;
}

/* Of two for the same time the smaller one counts. */
static bool rates_add(struct rates *rates, struct rate one)
{
	for (uint8_t i = 0; i < rates->count; i++)
		if (rates->rate[i].period_ms == one.period_ms) {
			if (one.most < rates->rate[i].most)
				rates->rate[i].most = one.most;
			return true;
		}
	if (rates->count == RATES_MAX)
		return false;
	rates->rate[rates->count++] = one;
	return true;
}

bool rate_limit_rates(struct rate_limit *rate, const struct yaml_node *list,
		      struct rates *rates_out)
{
	struct rates rates = { 0 };
	struct rate one;

	if (list->kind != YAML_LIST) {
		complain(rate, list, "no list of [number, seconds]: left out");
		return false;
	}
	for (const struct yaml_node *pair = list->first; pair != NULL; pair = pair->next)
		if (rate_of(rate, pair, &one) && !rates_add(&rates, one))
			complain(rate, pair, "a limit has at most four times: left out");
	*rates_out = rates;
	return true;
}

static bool is_network(const struct yaml_node *node, struct prefix *prefix_out)
{
	return node->kind == YAML_SCALAR && prefix_parse(node->text, prefix_out) == OK;
}

struct rates rate_limit_rates_of(struct rate_limit *rate, struct span id)
{
	const struct yaml_node *map = member(rate, RL_limits_by_id);
	struct rates rates = rate->limits;

	for (const struct yaml_node *node = map == NULL || map->kind != YAML_MAP ? NULL
										 : map->first;
	     node != NULL; node = node->next)
		if (span_equal(node->key, id) && !rate_limit_rates(rate, node, &rates))
			rates = rate->limits;
	return rates;
}

static void read_values(struct rate_limit *rate)
{
	const struct yaml_node *limits = member(rate, RL_limits);

	rate->by_sasl = bool_of(rate, RL_limit_by_sasl);
	rate->by_sender = bool_of(rate, RL_limit_by_sender);
	rate->by_ip = bool_of(rate, RL_limit_by_ip);
	rate->count_mode = number_of(rate, RL_count_mode, 0, 2, -1);
	rate->limits = (struct rates){ .rate = { { 10, 60000 }, { 150, 86400000 } }, .count = 2 };
	if (limits != NULL && !rate_limit_rates(rate, limits, &rate->limits))
		complain(rate, limits, "the default is taken");
}

enum err rate_limit_read(struct rate_limit *rate, struct span foreign,
			 const struct import_options *options, struct text *report)
{
	struct settings *settings = &rate->settings;
	TEXT(problem, YAML_REPORT_MAX);
	enum err err;

	*settings = (struct settings){
		.known = rate_limit_settings,
		.count = RL_SETTING_COUNT,
		.path = options->path,
		.report = report,
	};
	settings_init(settings);
	rate->root = NULL;
	arena_init(&rate->arena, YAML_ARENA_BYTES_MAX);
	err = yaml_read(foreign, &rate->arena, &problem, &rate->root);
	if (err == OK && rate->root->kind != YAML_MAP && !yaml_is_null(rate->root)) {
		text_add(&problem, SPAN("1: error: no map of settings\n"));
		err = ERR_SYNTAX;
	}
	if (err != OK) {
		rate->root = NULL;
		settings->mistakes++;
		text_add_escaped(report, options->path, RL_TEXT_MAX);
		text_add_char(report, ':');
		text_add(report, text_span(&problem));
		if (span_ends(options->path, SPAN(".conf")))
			text_add(report, SPAN("a Python module is not run: write it as YAML\n"));
	}
	for (const struct yaml_node *node = rate->root == NULL ? NULL : rate->root->first;
	     node != NULL; node = node->next)
		settings_take(settings, node->key, shown(rate, node), node->line);
	read_values(rate);
	return err;
}

void rate_limit_release(struct rate_limit *rate)
{
	arena_release(&rate->arena);
}

/* --- listening --- */

static void add_mode(struct rate_limit *rate)
{
	text_addf(rate->config, " mode %04o",
		  (unsigned)number_of(rate, RL_socket_permission, 0, 0777, 0666));
}

static bool add_inet(struct rate_limit *rate, const struct yaml_node *list)
{
	const struct yaml_node *host = list->first, *port = host == NULL ? NULL : host->next;
	int64_t number;
	struct ip ip;

	if (port == NULL || ip_parse(host->text, &ip) != OK || yaml_number(port, &number) != OK ||
	    number < 1 || number > UINT16_MAX)
		return false;
	add(rate, ip.family == IP_V6 ? "inet:[" : "inet:");
	text_add_ip(rate->config, ip);
	text_addf(rate->config, "%s:%lld", ip.family == IP_V6 ? "]" : "", (long long)number);
	return true;
}

static void write_head(struct rate_limit *rate, const struct import_options *options)
{
	const struct yaml_node *socket = member(rate, RL_SOCKET);

	config_add_heading(rate->config, options, "policyd-rate-limit");
	add(rate, "listen   ");
	if (socket != NULL && socket->kind == YAML_LIST) {
		if (!add_inet(rate, socket)) {
			complain(rate, socket, "no [address, port]: 127.0.0.1:8552 is taken");
			add(rate, "inet:127.0.0.1:8552");
		}
	} else {
		TEXT(path, RL_TEXT_MAX + 8);

		text_add(&path, SPAN("unix:"));
		text_add(&path, text_of(rate, RL_SOCKET));
		config_add_quoted(rate->config, text_span(&path));
		add_mode(rate);
	}
	add(rate, " policy outgoing\n");
	config_add_places(rate->config, options);
	text_addf(rate->config,
		  "log      syslog\nmode     enforce\nlimits   { idle_connection_s %lld }\n",
		  (long long)number_of(rate, RL_delay_to_close, IDLE_S_LEAST, IDLE_S_MOST, 300));
}

/* --- actions --- */

struct action_word {
	struct span word;
	const char *verdict; /* NULL: any action is written as it is */
};

static bool is_code(struct span word, char first)
{
	return word.len == 3 && word.at[0] == first && ascii_is_digit(word.at[1]) &&
	       ascii_is_digit(word.at[2]);
}

static const char *verdict_of(struct span word)
{
	static const struct action_word words[] = {
		{ SPAN_INIT("defer_if_permit"), "defer" }, { SPAN_INIT("defer"), "defer" },
		{ SPAN_INIT("reject"), "reject" },         { SPAN_INIT("hold"), "hold" },
		{ SPAN_INIT("discard"), "discard" },       { SPAN_INIT("dunno"), "pass" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (span_equal_nocase(word, words[i].word))
			return words[i].verdict;
	if (is_code(word, '4'))
		return "defer";
	return is_code(word, '5') ? "reject" : NULL;
}

/* "defer_if_permit Text" -> defer "Text" */
static void add_action(struct rate_limit *rate, struct span action)
{
	struct span whole = span_trim(action);
	struct span word = span_first(whole, span_find(whole, ' '));
	const char *verdict = verdict_of(word);
	bool has_code = is_code(word, '4') || is_code(word, '5');
	struct span text = has_code ? whole : span_trim(span_from(whole, word.len));

	add(rate, verdict == NULL ? "reply" : verdict);
	if (verdict == NULL)
		text = whole;
	if (text.len == 0)
		return;
	add(rate, " ");
	config_add_quoted(rate->config, text);
}

/* --- limits --- */

static bool has_ids(const struct rate_limit *rate)
{
	const struct yaml_node *map = member(rate, RL_limits_by_id);

	return map != NULL && map->kind == YAML_MAP && map->first != NULL;
}

static void add_id(struct rate_limit *rate, struct span id)
{
	TEXT(text, IP_TEXT_MAX);
	struct ip ip;

	if (ip_parse(id, &ip) == OK)
		text_add_ip(&text, ip_unmapped(ip));
	config_add_quoted(rate->config, text.len > 0 ? text_span(&text) : id);
}

static void write_ids(struct rate_limit *rate)
{
	const struct yaml_node *map = member(rate, RL_limits_by_id);
	struct rates rates;

	if (map != NULL && map->kind != YAML_MAP && !yaml_is_null(map))
		complain(rate, map, "no map of ids: left out");
	if (map == NULL || !has_ids(rate))
		return;
	add(rate, "\n# an empty list was: no limit\ntable limits_by_id inline {\n");
	for (const struct yaml_node *node = map->first; node != NULL; node = node->next) {
		TEXT(text, RATES_TEXT_MAX);

		if (node->key.len == 0 || node->key.len > RL_ID_MAX) {
			complain(rate, node, "no id, or too long a one: left out");
			continue;
		}
		if (!rate_limit_rates(rate, node, &rates))
			continue;
		text_add_rates(&text, &rates);
		add(rate, "\t");
		add_id(rate, node->key);
		add(rate, " ");
		config_add_quoted(rate->config, rates.count == 0 ? SPAN("none") : text_span(&text));
		add(rate, "\n");
	}
	add(rate, "}\n");
}

static void add_notify(struct rate_limit *rate)
{
	const struct yaml_node *to = member(rate, RL_report_to);

	if (!bool_of(rate, RL_report) || to == NULL)
		return;
	if (to->kind == YAML_LIST && to->first != NULL)
		to = to->first;
	if (to->kind != YAML_SCALAR || span_find(to->text, '@') == to->text.len ||
	    !address_is_mailable(to->text)) {
		complain(rate, to, "no mail address: nobody is notified");
		return;
	}
	add(rate, " notify ");
	config_add_quoted(rate->config, to->text);
}

/* One kind of id: its limit, and who has none of the kinds before. */
static void write_limit(struct rate_limit *rate, const char *name, const char *by,
			const char *condition)
{
	TEXT(rates, RATES_TEXT_MAX);

	text_add_rates(&rates, &rate->limits);
	text_addf(rate->config, "\tlimit %s by %s ", name, by);
	text_add(rate->config, rate->limits.count == 0 ? SPAN("none") : text_span(&rates));
	if (has_ids(rate))
		add(rate, " from limits_by_id");
	add(rate, rate->count_mode == 2 ? " counting messages" : " counting recipients");
	add_notify(rate);
	add(rate, " else ");
	add_action(rate, text_of(rate, RL_fail_action));
	add(rate, " failing ");
	add_action(rate, text_of(rate, RL_db_error_action));
	text_addf(rate->config, " if %s", condition);
	if (rate->count_mode == 0)
		add(rate, " and (not protocol_state or protocol_state = \"RCPT\")");
	if (rate->count_mode == 2)
		add(rate, " and protocol_state in [\"DATA\", \"END-OF-MESSAGE\"]");
	add(rate, "\n");
}

/* @return false: there is none that can be read */
static bool add_networks(struct rate_limit *rate, struct text *condition)
{
	const struct yaml_node *list = member(rate, RL_limited_networks);
	struct prefix prefix;
	unsigned count = 0;

	for (const struct yaml_node *node = list == NULL || list->kind != YAML_LIST ? NULL
										    : list->first;
	     node != NULL; node = node->next) {
		if (!is_network(node, &prefix) || count == RL_NETWORKS_MAX) {
			complain(rate, node, "no network, or one too many: left out");
			continue;
		}
		text_add(condition, count++ == 0 ? SPAN("client_address in [") : SPAN(", "));
		text_add_prefix(condition, &prefix);
	}
	text_add_char(condition, ']');
	return count > 0;
}

static void write_address_limit(struct rate_limit *rate)
{
	enum { NETWORK_TEXT_MAX = 48 };
	TEXT(condition, RL_NETWORKS_MAX * NETWORK_TEXT_MAX + 80);

	if (rate->by_sasl)
		text_add(&condition, SPAN("not sasl_username and "));
	if (rate->by_sender)
		text_add(&condition, SPAN("not sender and "));
	if (add_networks(rate, &condition))
		write_limit(rate, "address", "client_address", text_cstr(&condition));
	else
		add(rate, "\t# limited_networks is empty: addresses are not limited\n");
}

static void write_policy(struct rate_limit *rate)
{
	struct span success = text_of(rate, RL_success_action);

	add(rate, "\npolicy outgoing {\n");
	if (rate->by_sasl)
		write_limit(rate, "user", "sasl_username", "sasl_username");
	if (rate->by_sender)
		write_limit(rate, "sender", "sender",
			    rate->by_sasl ? "not sasl_username and sender" : "sender");
	if (rate->by_ip)
		write_address_limit(rate);
	if (!span_equal_nocase(success, SPAN("dunno"))) {
		add(rate, "\treply ");
		config_add_quoted(rate->config, success);
		add(rate, "\n");
	}
	add(rate, "}\n");
}

enum err import_policyd_rate_limit(struct span foreign, const struct import_options *options,
				   struct text *config_out, struct text *explain_out,
				   struct text *report_out)
{
	static struct rate_limit rate;
	enum err err = rate_limit_read(&rate, foreign, options, report_out);

	rate.config = config_out;
	write_head(&rate, options);
	write_ids(&rate);
	write_policy(&rate);
	settings_explain(&rate.settings, explain_out);
	rate_limit_release(&rate);
	if (err == ERR_LIMIT || config_out->overrun || explain_out->overrun)
		return ERR_LIMIT;
	return rate.settings.mistakes > 0 ? ERR_SYNTAX : OK;
}
