/* doctor_postfix_test.c -- Postfix's configuration, right and wrong, and what is said of it. */
#include "ctl/doctor.h"

#include <stdlib.h>

#include "../unit.h"

#define LEVEL     "compatibility_level = 3.6\n"
#define RECIPIENT "smtpd_recipient_restrictions = "
#define GOOD_CALL "check_policy_service { inet:127.0.0.1:12525, default_action=DUNNO }"
#define GOOD      LEVEL RECIPIENT "permit_mynetworks, reject_unauth_destination, " GOOD_CALL "\n"
#define SMTP      "smtp inet n - y - - smtpd\n"

static const struct policy policy = { .name = SPAN_INIT("inbound") };

static struct config *config_make(void)
{
	static struct config config;

	config = (struct config){ .deadline_ms = 4000, .listener_count = 2 };
	config.limits.idle_connection_s = 330;
	config.limits.connections_per_source = 256;
	config.listener[0] = (struct listener){ .port = 12525,
						.address = { { 127, 0, 0, 1 }, IP_V4 },
						.policy = &policy };
	config.listener[1] = (struct listener){ .is_unix = true,
						.path = SPAN_INIT("/var/spool/postfix/weighd/s"),
						.policy = &policy };
	return &config;
}

static const char *const level_name[] = { "ok", "note", "WARN", "FAIL" };

/* All that is said, a line each: "FAIL text | why | fix". */
static void judge(const char *main_cf, const char *master_cf, uint32_t mode, struct text *said)
{
	struct diagnosis *diagnosis = malloc(sizeof(*diagnosis));
	struct postconf postconf;
	struct postfix_facts facts = { .config = config_make(), .postconf = &postconf };

	assert_non_null(diagnosis);
	diagnosis_init(diagnosis);
	facts.socket[facts.socket_count++] =
		(struct socket_facts){ .path = facts.config->listener[1].path,
				       .is_there = true,
				       .is_socket = true,
				       .mode = mode };
	assert_int_equal(postconf_parse(span_cstr(main_cf), span_cstr(master_cf), &diagnosis->arena,
					&postconf),
			 OK);
	judge_postfix(diagnosis, &facts);
	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct symptom *symptom = &diagnosis->symptom[i];

		text_addf(said, "%s %.*s | %.*s | %.*s\n", level_name[symptom->level],
			  SPAN_ARG(symptom->text), SPAN_ARG(symptom->why), SPAN_ARG(symptom->fix));
	}
	diagnosis_release(diagnosis);
	free(diagnosis);
}

static void holds(const char *name, struct text *said, const char *part)
{
	if (!span_has(text_span(said), span_cstr(part)))
		fail_msg("%s: \"%s\" is not in:\n%s", name, part, text_cstr(said));
}

static void lacks(const char *name, struct text *said, const char *part)
{
	if (span_has(text_span(said), span_cstr(part)))
		fail_msg("%s: \"%s\" is in:\n%s", name, part, text_cstr(said));
}

static void right_ones_need_nothing(void **state)
{
	static const struct {
		const char *name, *main_cf, *master_cf;
	} cases[] = {
		{ "as in the manual", GOOD, SMTP },
		{ "without master.cf", GOOD, "" },
		{ "folded",
		  LEVEL RECIPIENT "permit_mynetworks,\n    reject_unauth_destination\n"
				  "    check_policy_service {\n    inet:127.0.0.1:12525,\n"
				  "    default_action=DUNNO }\n",
		  SMTP },
		{ "default action of all",
		  LEVEL RECIPIENT "reject_unauth_destination, check_policy_service "
				  "inet:127.0.0.1:12525\n"
				  "smtpd_policy_service_default_action = DUNNO\n",
		  SMTP },
		{ "a name for it",
		  LEVEL "ask = check_policy_service { inet:localhost:12525, default_action=DUNNO "
			"}\n" RECIPIENT "reject_unauth_destination, $ask\n",
		  SMTP },
		{ "a name in braces",
		  LEVEL "where = inet:[127.0.0.1]:12525\n" RECIPIENT
			"reject_unauth_destination, check_policy_service { ${where}, "
			"default_action=DUNNO }\n",
		  SMTP },
		{ "a class",
		  LEVEL "smtpd_restriction_classes = weigh\nweigh = " GOOD_CALL "\n" RECIPIENT
			"reject_unauth_destination, weigh\n",
		  SMTP },
		{ "the guard is in the relay list", LEVEL RECIPIENT GOOD_CALL "\n", SMTP },
		{ "relay list",
		  LEVEL "smtpd_relay_restrictions = reject_unauth_destination, " GOOD_CALL "\n",
		  SMTP },
		{ "at DATA", LEVEL "smtpd_data_restrictions = " GOOD_CALL "\n", SMTP },
		{ "behind postscreen", GOOD,
		  "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n" },
		{ "submission of its own", GOOD,
		  SMTP
		  "submission inet n - y - - smtpd\n"
		  "    -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }\n"
		  "smtps inet n - y - - smtpd\n"
		  "    -o smtpd_recipient_restrictions=\n" },
		{ "a filter's way back", GOOD,
		  SMTP "127.0.0.1:10025 inet n - n - - smtpd -o smtpd_recipient_restrictions=\n" },
		{ "Unix socket, chroot",
		  LEVEL RECIPIENT
		  "reject_unauth_destination, check_policy_service { unix:weighd/s, "
		  "default_action=DUNNO }\n",
		  SMTP },
		{ "Unix socket, no chroot",
		  LEVEL RECIPIENT "reject_unauth_destination, check_policy_service "
				  "{ unix:/var/spool/postfix/weighd/s, default_action=DUNNO }\n",
		  "smtp inet n - n - - smtpd\n" },
		{ "spawn",
		  LEVEL "policy_time_limit = 3600\n" RECIPIENT
			"reject_unauth_destination, check_policy_service { unix:private/policy, "
			"{ default_action = DUNNO as said } }\n",
		  SMTP "policy unix - n n - 0 spawn user=nobody argv=/usr/sbin/weighd --stdio\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(said, 16384);

		judge(cases[i].main_cf, cases[i].master_cf, 0666, &said);
		lacks(cases[i].name, &said, "WARN");
		lacks(cases[i].name, &said, "FAIL");
		holds(cases[i].name, &said, "asks weighd in");
		holds(cases[i].name, &said, "ok Postfix: default_action=DUNNO");
	}
}

static void faults_are_named_and_cured(void **state)
{
	static const struct {
		const char *name, *main_cf, *master_cf, *finding, *fix;
	} cases[] = {
		{ "nobody asks", LEVEL, SMTP, "FAIL Postfix: smtp does not ask weighd",
		  "postconf -e 'smtpd_recipient_restrictions = "
		  "reject_unauth_destination, " GOOD_CALL "'" },
		{ "another port",
		  LEVEL RECIPIENT "reject_unauth_destination, check_policy_service "
				  "inet:127.0.0.1:10023\n",
		  SMTP, "it asks inet:127.0.0.1:10023", GOOD_CALL },
		{ "before the guard", LEVEL RECIPIENT GOOD_CALL ", reject_unauth_destination\n",
		  SMTP,
		  "FAIL Postfix: check_policy_service stands before reject_unauth_destination",
		  "= reject_unauth_destination, " GOOD_CALL "'" },
		{ "no guard at all", LEVEL "smtpd_relay_restrictions =\n" RECIPIENT GOOD_CALL "\n",
		  SMTP, "this can make an open relay |",
		  "= reject_unauth_destination, " GOOD_CALL "'" },
		{ "an old Postfix's default", RECIPIENT GOOD_CALL "\n", SMTP,
		  "this can make an open relay |", "reject_unauth_destination, " GOOD_CALL },
		{ "before the guard of the relay list",
		  LEVEL "smtpd_relay_restrictions = " GOOD_CALL ", reject_unauth_destination\n",
		  SMTP, "this can make an open relay",
		  "postconf -e 'smtpd_relay_restrictions = reject_unauth_destination, " },
		{ "behind a reject",
		  LEVEL RECIPIENT "reject_unauth_destination, reject, " GOOD_CALL "\n", SMTP,
		  "FAIL Postfix: smtp never reaches check_policy_service", GOOD_CALL },
		{ "too early", LEVEL "smtpd_client_restrictions = " GOOD_CALL "\n", SMTP,
		  "WARN Postfix: smtp asks weighd in smtpd_client_restrictions",
		  "smtpd_recipient_restrictions = " },
		{ "no default action",
		  LEVEL RECIPIENT "reject_unauth_destination, check_policy_service "
				  "inet:127.0.0.1:12525\n",
		  SMTP, "WARN Postfix: the call has no default_action",
		  "= reject_unauth_destination, " GOOD_CALL "'" },
		{ "it stays where it is",
		  LEVEL RECIPIENT "reject_unauth_destination, check_client_access inline:{a=b, "
				  "c=d}, check_policy_service inet:127.0.0.1:12525, permit\n",
		  SMTP, "WARN Postfix: the call has no default_action",
		  "check_client_access inline:{a=b, c=d}, " GOOD_CALL ", permit'" },
		{ "a permit by default",
		  LEVEL RECIPIENT "reject_unauth_destination, check_policy_service { "
				  "inet:127.0.0.1:12525, default_action=OK }\n",
		  SMTP, "WARN Postfix: default_action=OK", GOOD_CALL },
		{ "a refusal by default",
		  LEVEL RECIPIENT "reject_unauth_destination, check_policy_service { "
				  "inet:127.0.0.1:12525, { default_action = 550 no } }\n",
		  SMTP, "WARN Postfix: default_action=550 no refuses", GOOD_CALL },
		{ "too short a timeout",
		  LEVEL RECIPIENT "reject_unauth_destination, check_policy_service { "
				  "inet:127.0.0.1:12525, timeout=4s, default_action=DUNNO }\n",
		  SMTP, "FAIL Postfix: waits 4 s", "timeout=10s" },
		{ "too short a timeout for all", GOOD "smtpd_policy_service_timeout = 2\n", SMTP,
		  "FAIL Postfix: waits 2 s", "postconf -e 'smtpd_policy_service_timeout = 100s'" },
		{ "of one service", GOOD,
		  "smtp inet n - y - - smtpd -o smtpd_policy_service_timeout=2s\n",
		  "FAIL Postfix: waits 2 s",
		  "postconf -P 'smtp/inet/smtpd_policy_service_timeout=100s'" },
		{ "idle for too long", GOOD "smtpd_policy_service_max_idle = 10m\n", SMTP,
		  "WARN Postfix: keeps an idle connection 600 s", "idle_connection_s 630" },
		{ "too many processes", GOOD, "smtp inet n - y - 257 smtpd\n",
		  "WARN Postfix: smtp may run 257 processes", "connections_per_source 257" },
		{ "submission", GOOD, SMTP "submission inet n - y - - smtpd\n",
		  "WARN Postfix: submission calls weighd",
		  "postconf -P 'submission/inet/smtpd_recipient_restrictions=permit_sasl_" },
		{ "smtps by number", GOOD, SMTP "[::1]:465 inet n - y - - smtpd\n",
		  "WARN Postfix: [::1]:465 calls weighd", "postconf -P '[::1]:465/inet/" },
		{ "a filter's way back", GOOD, SMTP "127.0.0.1:10025 inet n - n - - smtpd\n",
		  "WARN Postfix: 127.0.0.1:10025 calls weighd", "permit_mynetworks,reject" },
		{ "out of the chroot",
		  LEVEL RECIPIENT "reject_unauth_destination, check_policy_service "
				  "{ unix:/var/spool/postfix/weighd/s, default_action=DUNNO }\n",
		  SMTP,
		  "FAIL Postfix: smtp looks for the socket at "
		  "/var/spool/postfix/var/spool/postfix/weighd/s",
		  "inet: listener" },
		{ "no time limit for spawn", GOOD,
		  SMTP "policy unix - n n - 0 spawn user=nobody argv=/usr/sbin/weighd --stdio\n",
		  "WARN Postfix: spawn service policy is ended after 1000 s",
		  "postconf -e 'policy_time_limit = 3600s'" },
		{ "a quote in the list",
		  LEVEL RECIPIENT "check_client_access pcre:{{/'/ OK}}, " GOOD_CALL
				  ", reject_unauth_destination\n",
		  SMTP, "this can make an open relay", "pcre:{{/'\\''/ OK}}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(said, 16384);

		judge(cases[i].main_cf, cases[i].master_cf, 0666, &said);
		holds(cases[i].name, &said, cases[i].finding);
		holds(cases[i].name, &said, cases[i].fix);
	}
}

static void users_are_let_by(void **state)
{
	TEXT(said, 16384);

	(void)state;
	judge(LEVEL RECIPIENT "permit_sasl_authenticated, reject_unauth_destination, " GOOD_CALL
			      "\n",
	      SMTP "submission inet n - y - - smtpd\n", 0666, &said);
	holds("users first", &said, "note Postfix: submission calls weighd, too, but after");
}

static void modes_of_sockets(void **state)
{
	static const struct {
		uint32_t mode;
		const char *says;
	} cases[] = {
		{ 0666, "ok Postfix: reaches /var/spool/postfix/weighd/s (mode 0666) from its" },
		{ 0660, "FAIL Postfix: may not write to /var/spool/postfix/weighd/s (mode 0660)" },
		{ 0755, "FAIL Postfix: may not write" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(said, 16384);

		judge(LEVEL RECIPIENT "reject_unauth_destination, check_policy_service "
				      "{ unix:weighd/s, default_action=DUNNO }\n",
		      SMTP, cases[i].mode, &said);
		holds("mode", &said, cases[i].says);
	}
}

/* --- the texts --- */

static void hostile_texts_end(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		" \n",
		"=",
		"a",
		"a =",
		"= b",
		"\ta = b\n",
		"a = {\n",
		"a = }}}\n",
		"a = $a\nsmtpd_recipient_restrictions = $a\n",
		"a = $b$b\nb = $c$c\nc = $a$a\nsmtpd_recipient_restrictions = $a$\n",
		"smtpd_recipient_restrictions = check_policy_service\n",
		"smtpd_recipient_restrictions = check_policy_service {}\n",
		"smtpd_recipient_restrictions = check_policy_service { {{} \n",
		"smtpd_restriction_classes = a\na = a a\nsmtpd_recipient_restrictions = a\n",
		"smtpd_policy_service_timeout = soon\n" RECIPIENT "reject, " GOOD_CALL "\n",
		"smtpd_recipient_restrictions = ${, $(a, ${a\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		for (size_t k = 0; k < COUNT(texts); k++) {
			TEXT(said, 65536);

			judge(texts[i], texts[k], 0, &said);
			judge(texts[i], "smtp inet n - y - - smtpd -o -o x -o {\n", 0, &said);
		}
}

static void limits_hold(void **state)
{
	TEXT(text, 64 * (POSTCONF_PARAMETERS_MAX + 1));
	struct postconf postconf;
	struct arena arena;

	(void)state;
	arena_init(&arena, 64 * 1024 * 1024);
	for (int i = 0; i < POSTCONF_PARAMETERS_MAX; i++)
		text_addf(&text, "p%d = x\n", i);
	assert_int_equal(postconf_parse(text_span(&text), SPAN(""), &arena, &postconf), OK);
	assert_int_equal(postconf.parameter_count, POSTCONF_PARAMETERS_MAX);
	text_add(&text, SPAN("one = more\n"));
	assert_int_equal(postconf_parse(text_span(&text), SPAN(""), &arena, &postconf), ERR_LIMIT);
	text_clear(&text);
	for (int i = 0; i < POSTCONF_SERVICES_MAX; i++)
		text_addf(&text, "%d inet n - n - - smtpd\n", i + 1000);
	assert_int_equal(postconf_parse(SPAN(""), text_span(&text), &arena, &postconf), OK);
	text_add(&text, SPAN("25 inet n - n - - smtpd\n"));
	assert_int_equal(postconf_parse(SPAN(""), text_span(&text), &arena, &postconf), ERR_LIMIT);
	text_clear(&text);
	text_add(&text, SPAN("25 inet n - n - - smtpd"));
	for (int i = 0; i < POSTCONF_OVERRIDES_MAX; i++)
		text_add(&text, SPAN(" -o a=b"));
	assert_int_equal(postconf_parse(SPAN(""), text_span(&text), &arena, &postconf), OK);
	text_add(&text, SPAN(" -o a=b"));
	assert_int_equal(postconf_parse(SPAN(""), text_span(&text), &arena, &postconf), ERR_LIMIT);
	arena_release(&arena);
}

static void times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = { { "100s", 100000 }, { "100", 100000 },   { "5m", 300000 }, { "1h", 3600000 },
		      { "1d", 86400000 }, { "1w", 604800000 }, { "0", 0 },       { "", -1 },
		      { "s", -1 },        { "5x", -1 },        { "-5", -1 },     { "5 s", -1 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(postconf_time_ms(span_cstr(cases[i].text)), cases[i].ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_ones_need_nothing),
		cmocka_unit_test(faults_are_named_and_cured),
		cmocka_unit_test(users_are_let_by),
		cmocka_unit_test(modes_of_sockets),
		cmocka_unit_test(hostile_texts_end),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(times_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
