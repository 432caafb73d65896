/* assert.h: three kinds of check. ASSERT stays in release builds and is O(1); ASSERT_SLOW walks
 * structures and is compiled in debug, sanitizer and simulator builds; STATIC_ASSERT is for layouts
 * and limits. None of them may be applied to bytes from the network, the disk or the user. */
#ifndef BNB_BASE_ASSERT_H
#define BNB_BASE_ASSERT_H

_Noreturn void assert_failed(const char *condition, const char *file, int line);

#define ASSERT(condition) \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))
#ifdef BNB_SLOW_ASSERTS
#define ASSERT_SLOW(condition) ASSERT(condition)
#else
#define ASSERT_SLOW(condition) ((void)sizeof(condition))
#endif
#define STATIC_ASSERT(condition, text) _Static_assert(condition, text)

#endif
