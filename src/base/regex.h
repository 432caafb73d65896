/* regex.h: regular expressions in the syntax of RE2, matched in time linear in the text.
 *
 * Literals, ., [classes] with ranges and [:names:], \d \w \s \D \W \S, ^ $ \A \z \b \B, groups
 * (also named, and without capture), alternation, * + ? {n,m} and their lazy forms, the flags i,
 * m, s and U, \Q...\E, and the usual escapes. Not there: Unicode classes (\pN). Text and
 * expression are UTF-8; a byte that is none stands for itself. What a group matched is not told.
 * Bounds: REGEX_BYTES_MAX, REGEX_STEPS_MAX, REGEX_REPEATS_MAX, REGEX_DEPTH_MAX.
 * Thread: one per regex.   Errors: ERR_INVALID, ERR_NOMEM. */
#ifndef BNB_BASE_REGEX_H
#define BNB_BASE_REGEX_H

#include "base/view.h"

struct regex;
int regex_create(struct string_view expression, struct regex **regex);
/* As above; *why says what is wrong with the expression, in a few words that stay. */
int regex_create_told(struct string_view expression, struct regex **regex, const char **why);
void regex_destroy(struct regex **regex);
/* Whether all of text matches. Time: at most regex_steps for each byte of text. */
bool regex_matches(struct regex *regex, struct string_view text);
size_t regex_steps(const struct regex *regex);

#endif
