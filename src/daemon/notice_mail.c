/* notice_mail.c -- a notice in the pipe, and as a mail.  Pure. */
#include "base/escape.h"
#include "base/utc.h"
#include "daemon/notice_priv.h"
#include "weigh/rates.h"

#include <time.h>

enum { KEY_SHOWN_MAX = 600 };

/* --- in the pipe --- */

bool notice_pack(const struct notice *notice, struct notice_record *record_out)
{
	const struct span text[NOTICE_TEXT_COUNT] = {
		[NOTICE_ADDRESS] = notice->address, [NOTICE_LIMIT] = notice->limit,
		[NOTICE_KEY] = notice->key,         [NOTICE_COUNTING] = notice->counting,
		[NOTICE_NUMBER] = notice->number,
	};
	size_t len = 0;

	memset(record_out, 0, sizeof(*record_out));
	for (int i = 0; i < NOTICE_TEXT_COUNT; i++) {
		if (text[i].len > sizeof(record_out->bytes) - len)
			return false;
		if (text[i].len > 0)
			memcpy(record_out->bytes + len, text[i].at, text[i].len);
		record_out->len[i] = (uint16_t)text[i].len;
		len += text[i].len;
	}
	record_out->used = notice->used;
	record_out->most = notice->most;
	record_out->period_ms = notice->period_ms;
	record_out->at_ms = notice->at_ms;
	record_out->until_ms = notice->until_ms;
	return true;
}

/* It becomes an argument and a header. */
static bool is_address(struct span address)
{
	if (address.len == 0 || address.at[0] == '-')
		return false;
	for (size_t i = 0; i < address.len; i++)
		if (address.at[i] <= ' ' || address.at[i] > '~')
			return false;
	return true;
}

enum err notice_unpack(const struct notice_record *record, struct notice *notice_out)
{
	struct span text[NOTICE_TEXT_COUNT];
	size_t at = 0;

	for (int i = 0; i < NOTICE_TEXT_COUNT; i++) {
		if (record->len[i] > sizeof(record->bytes) - at)
			return ERR_SYNTAX;
		text[i] = span_of(record->bytes + at, record->len[i]);
		at += record->len[i];
	}
	if (!is_address(text[NOTICE_ADDRESS]))
		return ERR_SYNTAX;
	*notice_out = (struct notice){
		.address = text[NOTICE_ADDRESS],
		.limit = text[NOTICE_LIMIT],
		.key = text[NOTICE_KEY],
		.counting = text[NOTICE_COUNTING],
		.number = text[NOTICE_NUMBER],
		.used = record->used,
		.most = record->most,
		.period_ms = record->period_ms,
		.at_ms = record->at_ms,
		.until_ms = record->until_ms,
	};
	return OK;
}

/* --- the mail --- */

/* RFC 5322 section 3.3; the locale is always C. */
static void add_date(struct text *mail, int64_t ms)
{
	time_t time_s = (time_t)(ms / 1000);
	struct tm tm;
	char date[64];

	if (gmtime_r(&time_s, &tm) == NULL)
		return;
	text_add(mail,
		 span_of(date, strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm)));
}

/* Limits' names and our own are ours; a header gets nothing else. */
static void add_headers(const struct notice *notice, struct span hostname, struct text *mail)
{
	text_add(mail, SPAN("From: weighd <weighd@"));
	text_add(mail, hostname);
	text_add(mail, SPAN(">\nTo: "));
	text_add(mail, notice->address);
	text_add(mail, SPAN("\nDate: "));
	add_date(mail, notice->at_ms);
	text_addf(mail, "\nMessage-ID: <%lld.", (long long)notice->at_ms);
	text_add(mail, notice->number);
	text_add(mail, SPAN(".weighd@"));
	text_add(mail, hostname);
	text_add(mail, SPAN(">\nSubject: weighd: limit "));
	text_add(mail, notice->limit);
	text_add(mail, SPAN(" is reached\n"
			    "Auto-Submitted: auto-generated\n"
			    "Precedence: bulk\n"
			    "MIME-Version: 1.0\n"
			    "Content-Type: text/plain; charset=utf-8\n"
			    "Content-Transfer-Encoding: 8bit\n\n"));
}

void notice_write(const struct notice *notice, struct span hostname, uint64_t held_back,
		  struct text *mail)
{
	add_headers(notice, hostname, mail);
	text_add(mail, SPAN("Limit "));
	text_add(mail, notice->limit);
	text_add(mail, SPAN(" is reached.\n\n    key      "));
	text_add_escaped(mail, notice->key, KEY_SHOWN_MAX);
	text_addf(mail, "\n    used     %lld of %lld ", (long long)notice->used,
		  (long long)notice->most);
	text_add(mail, notice->counting);
	text_add(mail, SPAN(" in "));
	text_add_duration(mail, notice->period_ms);
	text_add(mail, SPAN("\n    when     "));
	text_add_utc(mail, notice->at_ms);
	text_add(mail, SPAN("\n    number   "));
	text_add(mail, notice->number);
	text_add(mail, SPAN("\n\nThe log says more under that number.  No other notice of this "
			    "limit and key comes\nbefore "));
	text_add_utc(mail, notice->until_ms);
	text_add(mail, SPAN(".\n"));
	if (held_back > 0)
		text_addf(mail,
			  "\nBefore this one %llu notices were not mailed: there were too many "
			  "at once.  They are in the log.\n",
			  (unsigned long long)held_back);
}
