/* policy_text.h -- policies as an administrator might write them, by chance. */
#pragma once
#include "base/text.h"
#include "random.h"

/** Write a whole configuration with the policy "sim". */
void policy_write(struct text *text, struct random *random);
