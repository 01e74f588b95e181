/* utc.c -- points of time as text, in UTC. */
#include "base/utc.h"

enum { DAY_S = 24 * 60 * 60, YEAR_FIRST = 1970, YEAR_LAST = 9999 };

static bool is_leap_year(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t days_of_month(int64_t year, int64_t month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap_year(year));
}

/* Days from 1970-01-01 to the first day of the year. */
static int64_t days_before_year(int64_t year)
{
	int64_t past = year - 1; /* the last whole year */

	return (year - YEAR_FIRST) * 365 + (past / 4 - past / 100 + past / 400) -
	       (1969 / 4 - 1969 / 100 + 1969 / 400);
}

/* Exactly count digits off the front of rest, then the byte that follows, unless it is 0. */
static bool cut_digits(struct span *rest, size_t count, char then, int64_t *number_out)
{
	int64_t number = 0;
	size_t i = 0;

	for (; i < count && i < rest->len && ascii_is_digit(rest->at[i]); i++)
		number = number * 10 + (rest->at[i] - '0');
	if (i < count)
		return false;
	if (then != '\0' && (i == rest->len || ascii_lower(rest->at[i]) != then))
		return false;
	*rest = span_from(*rest, count + (then != '\0'));
	*number_out = number;
	return true;
}

/* ".123456" -> 123; nothing -> 0 */
static bool cut_fraction(struct span *rest, int64_t *ms_out)
{
	int64_t ms = 0;
	size_t i = 1;

	*ms_out = 0;
	if (rest->len == 0 || rest->at[0] != '.')
		return true;
	for (int64_t weight = 100; i < rest->len && ascii_is_digit(rest->at[i]); i++) {
		ms += weight * (rest->at[i] - '0');
		weight /= 10;
	}
	*rest = span_from(*rest, i);
	*ms_out = ms;
	return i > 1;
}

enum err utc_parse(struct span s, int64_t *ms_out)
{
	int64_t year, month, day, hour, minute, second, ms, days;

	if (!cut_digits(&s, 4, '-', &year) || !cut_digits(&s, 2, '-', &month) ||
	    !cut_digits(&s, 2, 't', &day) || !cut_digits(&s, 2, ':', &hour) ||
	    !cut_digits(&s, 2, ':', &minute) || !cut_digits(&s, 2, '\0', &second) ||
	    !cut_fraction(&s, &ms) || s.len != 1 || ascii_lower(s.at[0]) != 'z')
		return ERR_SYNTAX;
	if (year < YEAR_FIRST || month < 1 || month > 12 || day < 1 ||
	    day > days_of_month(year, month) || hour > 23 || minute > 59 || second > 60)
		return ERR_SYNTAX;
	days = days_before_year(year) + day - 1;
	for (int64_t before = 1; before < month; before++)
		days += days_of_month(year, before);
	ms += ((days * 24 + hour) * 60 + minute) * 60000 + second * 1000;
	if (ms > UTC_MS_MAX)
		return ERR_SYNTAX;
	*ms_out = ms;
	return OK;
}

static int64_t year_of_day(int64_t days)
{
	int64_t year = YEAR_FIRST + days / 366;

	while (year < YEAR_LAST && days_before_year(year + 1) <= days)
		year++;
	return year;
}

/* A log line needs one each, and printf would take longer for it than for all the rest. */
static void text_add_digits(struct text *text, int64_t number, size_t count, char then)
{
	char digits[8];

	digits[count] = then;
	for (size_t i = count; i-- > 0; number /= 10)
		digits[i] = (char)('0' + number % 10);
	text_add(text, span_of(digits, count + 1));
}

struct moment {
	int64_t days; /* since 1970 */
	int64_t year, month, day, second, ms;
};

static struct moment moment_of(int64_t ms)
{
	struct moment moment = { .month = 1 };

	if (ms < 0)
		ms = 0;
	if (ms > UTC_MS_MAX)
		ms = UTC_MS_MAX;
	moment.ms = ms % 1000;
	moment.second = ms / 1000 % DAY_S;
	moment.days = ms / 1000 / DAY_S;
	moment.year = year_of_day(moment.days);
	moment.day = moment.days - days_before_year(moment.year);
	for (; moment.day >= days_of_month(moment.year, moment.month); moment.month++)
		moment.day -= days_of_month(moment.year, moment.month);
	moment.day++;
	return moment;
}

void text_add_utc(struct text *text, int64_t ms)
{
	struct moment moment = moment_of(ms);

	text_add_digits(text, moment.year, 4, '-');
	text_add_digits(text, moment.month, 2, '-');
	text_add_digits(text, moment.day, 2, 'T');
	text_add_digits(text, moment.second / 3600, 2, ':');
	text_add_digits(text, moment.second / 60 % 60, 2, ':');
	text_add_digits(text, moment.second % 60, 2, '.');
	text_add_digits(text, moment.ms, 3, 'Z');
}

void text_add_mail_date(struct text *text, int64_t ms)
{
	static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began with a Thursday */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct moment moment = moment_of(ms);

	text_add(text, span_of(days + moment.days % 7 * 3, 3));
	text_add(text, SPAN(", "));
	text_add_digits(text, moment.day, 2, ' ');
	text_add(text, span_of(months + (moment.month - 1) * 3, 3));
	text_add_char(text, ' ');
	text_add_digits(text, moment.year, 4, ' ');
	text_add_digits(text, moment.second / 3600, 2, ':');
	text_add_digits(text, moment.second / 60 % 60, 2, ':');
	text_add_digits(text, moment.second % 60, 2, ' ');
	text_add(text, SPAN("+0000"));
}
