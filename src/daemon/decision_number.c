/* decision_number.c -- the number of a decision. */
#include "daemon/decision_number.h"

#define NUMBERS   UINT64_C(852891037441) /* 31^8 */
#define SPREAD    UINT64_C(527115639461) /* by the golden section, and no multiple of 31 */
#define SPREAD_BY 31
_Static_assert(SPREAD % SPREAD_BY != 0, "else two decisions share a number");

void decision_number_write(uint64_t n, char at[DECISION_NUMBER_BYTES])
{
	static const char digits[SPREAD_BY + 1] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
	uint64_t rest = (uint64_t)((unsigned __int128)(n % NUMBERS) * SPREAD % NUMBERS);

	for (int i = DECISION_NUMBER_BYTES - 1; i >= 0; i--) {
		if (i == DECISION_NUMBER_BYTES / 2) {
			at[i] = '-';
			continue;
		}
		at[i] = digits[rest % SPREAD_BY];
		rest /= SPREAD_BY;
	}
}
