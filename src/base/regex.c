/* An expression becomes a program of steps (Thompson's construction), which is run over the text
 * with all of its threads at once: each character is looked at once a step, whatever the
 * expression. Repetitions with counts are copies of what they repeat. */
#include "base/regex.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#define POINT_MAX 0x10ffffu

enum step_kind {
    STEP_RANGES, /* one character in, or not in, a list of ranges */
    STEP_SPLIT,  /* both of first and second */
    STEP_JUMP,
    STEP_ASSERT, /* goes on where the place is one of kind assertion */
    STEP_MATCH,
};
enum assertion {
    AT_TEXT_START,
    AT_TEXT_END,
    AT_LINE_START,
    AT_LINE_END,
    AT_WORD_EDGE,
    AT_NO_WORD_EDGE,
};
struct step {
    enum step_kind kind;
    enum assertion assertion;
    size_t first;
    size_t second;
    size_t range_start;
    size_t range_count;
    bool negated;
};
struct range {
    uint32_t from;
    uint32_t to;
};
struct regex {
    struct step *steps;
    size_t step_count;
    size_t step_capacity;
    struct range *ranges;
    size_t range_count;
    size_t range_capacity;
    /* Of a run: the steps of this character and of the next, and which are in them. */
    size_t *threads[2];
    uint32_t *seen;
    uint32_t turn;
    size_t *pending;
};

struct parser {
    struct regex *regex;
    const uint8_t *at;
    const uint8_t *end;
    size_t depth;
    size_t atom_start; /* the step from which on a repetition repeats */
    int error;
    const char *why; /* with ERR_INVALID */
    struct string_view *names; /* of groups; they lie in the expression */
    size_t name_count;
    size_t name_capacity;
    bool ignore_case;
    bool multi_line;
    bool dot_is_all;
};

/* ---- characters ---- */

static uint32_t next_point(const uint8_t **cursor, const uint8_t *end)
{
    const uint8_t *at = (*cursor)++;
    int more = *at >= 0xf0 && *at < 0xf8 ? 3 : *at >= 0xe0 ? 2 : *at >= 0xc0 ? 1 : 0;
    if (more == 0 || *at >= 0xf8 || end - at <= more) {
        return *at;
    }
    uint32_t point = *at & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return *at;
        }
        point = point << 6 | (at[i] & 0x3fu);
    }
    *cursor = at + more + 1;
    return point;
}

static bool is_word(uint32_t point)
{
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') ||
           (point >= 'a' && point <= 'z') || point == '_';
}

static const char invalid_escape[] = "invalid escape sequence";
static const char invalid_range[] = "invalid character class range";
static const char invalid_syntax[] = "invalid or unsupported Perl syntax";

/* ---- the program ---- */

static void fail(struct parser *parser, int error)
{
    if (parser->error == 0) {
        parser->error = error;
    }
}

/* The expression is none, in the words of RE2. */
static void refuse(struct parser *parser, const char *why)
{
    if (parser->error == 0) {
        parser->why = why;
    }
    fail(parser, ERR_INVALID);
}

static size_t add_step(struct parser *parser, enum step_kind kind)
{
    struct regex *regex = parser->regex;
    if (regex->step_count >= REGEX_STEPS_MAX) {
        refuse(parser, "expression is too large");
    } else if (mem_grow((void **)&regex->steps, &regex->step_capacity, regex->step_count + 1,
                        sizeof *regex->steps) != 0) {
        fail(parser, ERR_NOMEM);
    }
    if (parser->error != 0) {
        return 0;
    }
    regex->steps[regex->step_count] = (struct step){.kind = kind,
                                                    .range_start = regex->range_count};
    return regex->step_count++;
}

static void add_range(struct parser *parser, uint32_t from, uint32_t to)
{
    struct regex *regex = parser->regex;
    if (parser->error == 0 && mem_grow((void **)&regex->ranges, &regex->range_capacity,
                                       regex->range_count + 1, sizeof *regex->ranges) != 0) {
        fail(parser, ERR_NOMEM);
    }
    if (parser->error == 0) {
        regex->ranges[regex->range_count++] = (struct range){from, to};
    }
}

/* The letters of a range in the other case, too. */
static void add_folded(struct parser *parser, uint32_t from, uint32_t to)
{
    add_range(parser, from, to);
    if (!parser->ignore_case) {
        return;
    }
    for (uint32_t base = 'A'; base <= 'a'; base += 'a' - 'A') {
        uint32_t low = from > base ? from : base;
        uint32_t high = to < base + 25 ? to : base + 25;
        uint32_t other = base == 'A' ? 'a' - 'A' : (uint32_t)('A' - 'a');
        if (low <= high) {
            add_range(parser, low + other, high + other);
        }
    }
}

/* What a negated class has in it, as ranges that are not negated: d, w, s only. */
static void add_class(struct parser *parser, uint8_t letter)
{
    static const struct {
        char letter;
        struct range ranges[5];
        size_t count;
    } rows[] = {
        {'d', {{'0', '9'}}, 1},
        {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
        {'s', {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}, 3},
        {'D', {{0, '0' - 1}, {'9' + 1, POINT_MAX}}, 2},
        {'W', {{0, '0' - 1}, {'9' + 1, 'A' - 1}, {'Z' + 1, '_' - 1}, {'`', '`'},
               {'z' + 1, POINT_MAX}}, 5},
        {'S', {{0, '\t' - 1}, {'\v', '\v'}, {'\r' + 1, ' ' - 1}, {' ' + 1, POINT_MAX}}, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t j = 0; rows[i].letter == (char)letter && j < rows[i].count; j++) {
            add_range(parser, rows[i].ranges[j].from, rows[i].ranges[j].to);
        }
    }
}

static bool is_class(uint8_t letter)
{
    return letter == 'd' || letter == 'w' || letter == 's' || letter == 'D' || letter == 'W' ||
           letter == 'S';
}

static void close_ranges(struct parser *parser, size_t step, bool negated)
{
    if (parser->error == 0) {
        struct step *made = &parser->regex->steps[step];
        made->range_count = parser->regex->range_count - made->range_start;
        made->negated = negated;
        made->first = parser->regex->step_count;
    }
}

static void add_point(struct parser *parser, uint32_t point)
{
    size_t step = add_step(parser, STEP_RANGES);
    add_folded(parser, point, point);
    close_ranges(parser, step, false);
}

static void add_assertion(struct parser *parser, enum assertion assertion)
{
    size_t step = add_step(parser, STEP_ASSERT);
    if (parser->error == 0) {
        parser->regex->steps[step].assertion = assertion;
        parser->regex->steps[step].first = step + 1;
    }
}

/* A copy of the steps [start, end) at the end of the program. */
static void add_copy(struct parser *parser, size_t start, size_t end)
{
    size_t to = parser->regex->step_count;
    for (size_t i = start; i < end && parser->error == 0; i++) {
        size_t step = add_step(parser, parser->regex->steps[i].kind);
        if (parser->error == 0) {
            struct step *made = &parser->regex->steps[step];
            *made = parser->regex->steps[i];
            made->first += to - start;
            made->second += to - start;
        }
    }
}

/* ---- parsing ---- */

static void parse_alternation(struct parser *parser);

static bool next_is(const struct parser *parser, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(parser->end - parser->at) >= size && memcmp(parser->at, text, size) == 0;
}

static int hex_of(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static uint32_t parse_hex(struct parser *parser)
{
    bool braces = parser->at < parser->end && *parser->at == '{';
    uint32_t point = 0;
    int digits = 0;
    parser->at += braces;
    while (parser->at < parser->end && hex_of(*parser->at) >= 0 && digits < (braces ? 6 : 2)) {
        point = point * 16 + (uint32_t)hex_of(*parser->at++);
        digits++;
    }
    bool closed = !braces || (parser->at < parser->end && *parser->at == '}');
    if (digits == 0 || (!braces && digits < 2) || !closed || point > POINT_MAX) {
        refuse(parser, invalid_escape);
    }
    parser->at += braces && closed;
    return point;
}

/* The character that an escape stands for, behind its backslash. */
static uint32_t parse_escape(struct parser *parser)
{
    static const char letters[] = "afnrtv";
    static const char meanings[] = "\a\f\n\r\t\v";
    if (parser->at == parser->end) {
        refuse(parser, "trailing backslash at end of expression");
        return 0;
    }
    uint8_t letter = *parser->at;
    const char *found = letter == 0 ? NULL : strchr(letters, (char)letter);
    if (found != NULL) {
        parser->at++;
        return (uint8_t)meanings[found - letters];
    }
    if (letter == 'x') {
        parser->at++;
        return parse_hex(parser);
    }
    if (letter == '0' || (letter >= '1' && letter <= '7' && parser->end - parser->at > 1 &&
                          parser->at[1] >= '0' && parser->at[1] <= '7')) {
        uint32_t point = 0;
        for (int i = 0; i < 3 && parser->at < parser->end && *parser->at >= '0' &&
                        *parser->at <= '7';
             i++) {
            point = point * 8 + (uint32_t)(*parser->at++ - '0');
        }
        return point;
    }
    if (letter < 0x80 && is_word(letter)) {
        refuse(parser, invalid_escape); /* a reference, or what nobody knows */
        return 0;
    }
    return next_point(&parser->at, parser->end);
}

static const struct named_class {
    const char *name;
    struct range ranges[4];
    size_t count;
} named_classes[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, 3},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}, 2},
    {"ascii", {{0, 0x7f}}, 1},
    {"blank", {{'\t', '\t'}, {' ', ' '}}, 2},
    {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}, 2},
    {"digit", {{'0', '9'}}, 1},
    {"graph", {{'!', '~'}}, 1},
    {"lower", {{'a', 'z'}}, 1},
    {"print", {{' ', '~'}}, 1},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}, 4},
    {"space", {{'\t', '\r'}, {' ', ' '}}, 2},
    {"upper", {{'A', 'Z'}}, 1},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, 3},
};

/* Behind "[:"; false: there is no name, and the bracket stands for itself. */
static bool parse_named_class(struct parser *parser)
{
    const uint8_t *at = parser->at + 2;
    bool negated = at < parser->end && *at == '^';
    at += negated;
    for (size_t i = 0; i < sizeof named_classes / sizeof named_classes[0]; i++) {
        const struct named_class *named = &named_classes[i];
        size_t size = strlen(named->name);
        if ((size_t)(parser->end - at) < size + 2 || memcmp(at, named->name, size) != 0 ||
            at[size] != ':' || at[size + 1] != ']') {
            continue;
        }
        uint32_t from = 0;
        for (size_t j = 0; j < named->count; j++) {
            if (!negated) {
                add_folded(parser, named->ranges[j].from, named->ranges[j].to);
            } else if (named->ranges[j].from > from) {
                add_range(parser, from, named->ranges[j].from - 1);
            }
            from = named->ranges[j].to + 1;
        }
        if (negated) {
            add_range(parser, from, POINT_MAX);
        }
        parser->at = at + size + 2;
        return true;
    }
    for (; at + 1 < parser->end; at++) {
        if (at[0] == ':' && at[1] == ']') {
            refuse(parser, invalid_range); /* a name that nobody has */
            break;
        }
    }
    return false;
}

/* One character of a class, for the ends of ranges. */
static uint32_t parse_class_point(struct parser *parser)
{
    if (*parser->at == '\\') {
        parser->at++;
        return parse_escape(parser);
    }
    return next_point(&parser->at, parser->end);
}

static void parse_class_item(struct parser *parser)
{
    if (next_is(parser, "[:") && parse_named_class(parser)) {
        return;
    }
    if (*parser->at == '\\' && parser->end - parser->at > 1 && is_class(parser->at[1])) {
        add_class(parser, parser->at[1]);
        parser->at += 2;
        return;
    }
    uint32_t from = parse_class_point(parser);
    uint32_t to = from;
    if (parser->error == 0 && parser->end - parser->at > 1 && *parser->at == '-' &&
        parser->at[1] != ']') {
        parser->at++;
        to = parse_class_point(parser);
    }
    if (to < from) {
        refuse(parser, invalid_range);
    }
    add_folded(parser, from, to);
}

/* Behind the bracket that opens it. */
static void parse_brackets(struct parser *parser)
{
    size_t step = add_step(parser, STEP_RANGES);
    bool negated = parser->at < parser->end && *parser->at == '^';
    parser->at += negated;
    bool first = true;
    while (parser->error == 0 && parser->at < parser->end && (first || *parser->at != ']')) {
        parse_class_item(parser);
        first = false;
    }
    if (parser->at == parser->end) {
        refuse(parser, "missing closing ]");
        return;
    }
    parser->at++;
    close_ranges(parser, step, negated);
}

/* Behind the backslash. */
static void parse_backslash(struct parser *parser)
{
    static const struct {
        char letter;
        enum assertion assertion;
    } places[] = {{'A', AT_TEXT_START}, {'z', AT_TEXT_END}, {'b', AT_WORD_EDGE},
                  {'B', AT_NO_WORD_EDGE}};
    uint8_t letter = parser->at < parser->end ? *parser->at : 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if ((char)letter == places[i].letter) {
            parser->at++;
            add_assertion(parser, places[i].assertion);
            return;
        }
    }
    if (is_class(letter)) {
        parser->at++;
        size_t step = add_step(parser, STEP_RANGES);
        add_class(parser, letter);
        close_ranges(parser, step, false);
        return;
    }
    uint32_t point = parse_escape(parser);
    if (parser->error == 0) {
        add_point(parser, point);
    }
}

/* Behind "(?": flags, as far as the colon or the bracket; false: it ends here. */
static bool parse_flags(struct parser *parser)
{
    bool value = true;
    for (; parser->at < parser->end; parser->at++) {
        switch (*parser->at) {
        case 'i':
            parser->ignore_case = value;
            break;
        case 'm':
            parser->multi_line = value;
            break;
        case 's':
            parser->dot_is_all = value;
            break;
        case 'U':
            break; /* who is greedy does not matter where all of a text is matched */
        case '-':
            value = false;
            break;
        case ':':
            parser->at++;
            return true;
        case ')':
            parser->at++;
            return false;
        default:
            refuse(parser, invalid_syntax);
            return false;
        }
    }
    refuse(parser, invalid_syntax);
    return false;
}

static void add_name(struct parser *parser, struct string_view name)
{
    for (size_t i = 0; i < parser->name_count; i++) {
        if (string_view_equal(parser->names[i], name)) {
            refuse(parser, "duplicate capture group name");
            return;
        }
    }
    if (mem_grow((void **)&parser->names, &parser->name_capacity, parser->name_count + 1,
                 sizeof *parser->names) != 0) {
        fail(parser, ERR_NOMEM);
        return;
    }
    parser->names[parser->name_count++] = name;
}

/* Behind the bracket that opens it. Flags that a group sets end with it. */
static void parse_group(struct parser *parser)
{
    struct parser before = *parser;
    bool has_body = true;
    bool sets_flags = false;
    if (next_is(parser, "?P<") || next_is(parser, "?<")) {
        const uint8_t *name = parser->at + (parser->at[1] == 'P' ? 3 : 2);
        const uint8_t *close = name;
        while (close < parser->end && is_word(*close)) {
            close++;
        }
        if (close == name || close == parser->end || *close != '>') {
            refuse(parser, "invalid named capture");
            return;
        }
        add_name(parser, (struct string_view){(const char *)name, (size_t)(close - name)});
        parser->at = close + 1;
    } else if (next_is(parser, "?")) {
        parser->at++;
        has_body = parse_flags(parser);
        sets_flags = !has_body;
    }
    if (parser->error != 0 || sets_flags) {
        return; /* until the end of the group around it */
    }
    if (++parser->depth > REGEX_DEPTH_MAX) {
        refuse(parser, "expression nests too deeply");
        return;
    }
    parse_alternation(parser);
    parser->depth--;
    if (parser->at == parser->end || *parser->at != ')') {
        refuse(parser, "missing closing )");
        return;
    }
    parser->at++;
    parser->ignore_case = before.ignore_case;
    parser->multi_line = before.multi_line;
    parser->dot_is_all = before.dot_is_all;
}

static void parse_dot(struct parser *parser)
{
    size_t step = add_step(parser, STEP_RANGES);
    if (!parser->dot_is_all) {
        add_range(parser, '\n', '\n');
    }
    close_ranges(parser, step, true); /* not in nothing: anything */
}

/* \Q...\E, behind the Q: characters one after the other, of which the last may be repeated. */
static void parse_quoted(struct parser *parser)
{
    while (parser->error == 0 && parser->at < parser->end) {
        if (next_is(parser, "\\E")) {
            parser->at += 2;
            return;
        }
        parser->atom_start = parser->regex->step_count;
        add_point(parser, next_point(&parser->at, parser->end));
    }
}

static void parse_atom(struct parser *parser)
{
    if (next_is(parser, "\\Q")) {
        parser->at += 2;
        parse_quoted(parser);
        return;
    }
    uint8_t c = *parser->at;
    switch (c) {
    case '(':
        parser->at++;
        parse_group(parser);
        break;
    case '[':
        parser->at++;
        parse_brackets(parser);
        break;
    case '\\':
        parser->at++;
        parse_backslash(parser);
        break;
    case '.':
        parser->at++;
        parse_dot(parser);
        break;
    case '^':
        parser->at++;
        add_assertion(parser, parser->multi_line ? AT_LINE_START : AT_TEXT_START);
        break;
    case '$':
        parser->at++;
        add_assertion(parser, parser->multi_line ? AT_LINE_END : AT_TEXT_END);
        break;
    case '*':
    case '+':
    case '?':
        refuse(parser, "missing argument to repetition operator"); /* nothing to repeat */
        break;
    default:
        add_point(parser, next_point(&parser->at, parser->end));
        break;
    }
}

/* ---- repetitions ---- */

static bool parse_number(const uint8_t **at, const uint8_t *end, uint32_t *number)
{
    const uint8_t *start = *at;
    *number = 0;
    while (*at < end && **at >= '0' && **at <= '9' && *at - start < 5) {
        *number = *number * 10 + (uint32_t)(*(*at)++ - '0');
    }
    return *at > start;
}

/* {n}, {n,} or {n,m}; false: the brace stands for itself. most UINT32_MAX: no bound. */
static bool parse_counts(struct parser *parser, uint32_t *least, uint32_t *most)
{
    const uint8_t *at = parser->at + 1;
    if (!parse_number(&at, parser->end, least)) {
        return false;
    }
    *most = *least;
    if (at < parser->end && *at == ',') {
        at++;
        if (!parse_number(&at, parser->end, most)) {
            *most = UINT32_MAX;
        }
    }
    if (at == parser->end || *at != '}') {
        return false;
    }
    if (*least > REGEX_REPEATS_MAX || (*most != UINT32_MAX && *most > REGEX_REPEATS_MAX) ||
        *most < *least) {
        refuse(parser, "invalid repeat count");
    }
    parser->at = at + 1;
    return true;
}

/* Makes room for one step at start: what lies behind moves by one. */
static void insert_step(struct parser *parser, size_t start)
{
    size_t last = add_step(parser, STEP_JUMP);
    if (parser->error != 0) {
        return;
    }
    struct step *steps = parser->regex->steps;
    memmove(&steps[start + 1], &steps[start], (last - start) * sizeof *steps);
    for (size_t i = start + 1; i <= last; i++) {
        steps[i].first += steps[i].first >= start;
        steps[i].second += steps[i].second >= start;
    }
    steps[start] = (struct step){.kind = STEP_SPLIT, .first = start + 1, .second = last + 1};
}

/* What was parsed last, from start on: optional, or as often as one likes. */
static void make_optional(struct parser *parser, size_t start, bool loops)
{
    insert_step(parser, start);
    if (parser->error == 0 && loops) {
        size_t back = add_step(parser, STEP_JUMP);
        if (parser->error == 0) {
            parser->regex->steps[back].first = start;
            parser->regex->steps[start].second = back + 1;
        }
    }
}

static void repeat(struct parser *parser, size_t start, uint32_t least, uint32_t most)
{
    struct regex *regex = parser->regex;
    size_t end = regex->step_count;
    size_t size = end - start;
    if (least == 0 && most == 0) {
        regex->step_count = start;
        return;
    }
    for (uint32_t i = 1; i < least && parser->error == 0; i++) {
        add_copy(parser, start, end);
    }
    if (most == UINT32_MAX) {
        size_t from = start;
        if (least > 0) {
            from = regex->step_count;
            add_copy(parser, start, end);
        }
        make_optional(parser, from, true);
        return;
    }
    uint32_t optional = least == 0 ? most - 1 : most - least;
    if (least == 0) {
        make_optional(parser, start, false);
        end = start + 1 + size;
        start++;
    }
    for (uint32_t i = 0; i < optional && parser->error == 0; i++) {
        size_t from = regex->step_count;
        add_copy(parser, start, end);
        make_optional(parser, from, false);
    }
}

static void parse_repetition(struct parser *parser, size_t start)
{
    bool repeated = false;
    while (parser->error == 0 && parser->at < parser->end) {
        uint32_t least = 0;
        uint32_t most = UINT32_MAX;
        if (*parser->at == '*' || *parser->at == '+' || *parser->at == '?') {
            least = *parser->at == '+';
            most = *parser->at == '?' ? 1 : UINT32_MAX;
            parser->at++;
        } else if (*parser->at != '{' || !parse_counts(parser, &least, &most)) {
            return;
        }
        if (repeated) {
            refuse(parser, "invalid nested repetition operator"); /* a repetition of a repetition */
            return;
        }
        repeated = true;
        if (parser->at < parser->end && *parser->at == '?') {
            parser->at++; /* lazy: the same where all of a text is matched */
        }
        repeat(parser, start, least, most);
    }
}

static void parse_sequence(struct parser *parser)
{
    while (parser->error == 0 && parser->at < parser->end && *parser->at != '|' &&
           *parser->at != ')') {
        size_t start = parser->regex->step_count;
        bool is_flags = next_is(parser, "(?");
        bool is_quoted = next_is(parser, "\\Q");
        parser->atom_start = start;
        parse_atom(parser);
        if (!is_flags || parser->regex->step_count > start) {
            parse_repetition(parser, is_quoted ? parser->atom_start : start);
        }
    }
}

/* Calls itself for each choice, and for each group: REGEX_BYTES_MAX bounds both. */
static void parse_alternation(struct parser *parser)
{
    size_t start = parser->regex->step_count;
    parse_sequence(parser);
    while (parser->error == 0 && parser->at < parser->end && *parser->at == '|') {
        parser->at++;
        insert_step(parser, start);
        size_t jump = add_step(parser, STEP_JUMP);
        if (parser->error != 0) {
            return;
        }
        parser->regex->steps[start].second = jump + 1;
        parse_alternation(parser); /* what follows is the other choice as a whole */
        if (parser->error == 0) {
            parser->regex->steps[jump].first = parser->regex->step_count;
        }
    }
}

int regex_create(struct string_view expression, struct regex **created)
{
    const char *why;
    return regex_create_told(expression, created, &why);
}

int regex_create_told(struct string_view expression, struct regex **created, const char **why)
{
    struct regex *regex = mem_calloc(1, sizeof *regex);
    *created = NULL;
    *why = "out of memory";
    if (regex == NULL) {
        return ERR_NOMEM;
    }
    const uint8_t *at = (const uint8_t *)expression.data;
    struct parser parser = {.regex = regex, .at = at, .end = at + expression.size};
    if (expression.size > REGEX_BYTES_MAX) {
        refuse(&parser, "expression is too long");
    } else if (expression.size > 0) {
        parse_alternation(&parser);
    }
    mem_free(parser.names);
    if (parser.at != parser.end) {
        refuse(&parser, "regexp/syntax: internal error"); /* a bracket that nothing opens */
    }
    (void)add_step(&parser, STEP_MATCH);
    size_t count = regex->step_count;
    if (parser.error == 0) {
        regex->threads[0] = mem_alloc(count * sizeof *regex->threads[0]);
        regex->threads[1] = mem_alloc(count * sizeof *regex->threads[1]);
        regex->pending = mem_alloc((2 * count + 1) * sizeof *regex->pending);
        regex->seen = mem_calloc(count, sizeof *regex->seen);
        if (regex->threads[0] == NULL || regex->threads[1] == NULL || regex->pending == NULL ||
            regex->seen == NULL) {
            fail(&parser, ERR_NOMEM);
        }
    }
    if (parser.error != 0) {
        *why = parser.why != NULL ? parser.why : *why;
        regex_destroy(&regex);
        return parser.error;
    }
    *created = regex;
    return 0;
}

void regex_destroy(struct regex **destroyed)
{
    struct regex *regex = *destroyed;
    if (regex == NULL) {
        return;
    }
    mem_free(regex->steps);
    mem_free(regex->ranges);
    mem_free(regex->threads[0]);
    mem_free(regex->threads[1]);
    mem_free(regex->pending);
    mem_free(regex->seen);
    mem_free(regex);
    *destroyed = NULL;
}

/* ---- matching ---- */

struct place {
    bool is_start;
    bool is_end;
    uint32_t before; /* characters beside it; '\n' at either end */
    uint32_t after;
};

static bool holds(enum assertion assertion, const struct place *place)
{
    bool edge = (!place->is_start && is_word(place->before)) !=
                (!place->is_end && is_word(place->after));
    switch (assertion) {
    case AT_TEXT_START:
        return place->is_start;
    case AT_TEXT_END:
        return place->is_end;
    case AT_LINE_START:
        return place->is_start || place->before == '\n';
    case AT_LINE_END:
        return place->is_end || place->after == '\n';
    case AT_WORD_EDGE:
        return edge;
    case AT_NO_WORD_EDGE:
        return !edge;
    }
    return false;
}

/* Puts step, and what it leads to without a character, among the threads. */
static size_t follow(struct regex *regex, size_t *threads, size_t count, size_t step,
                     const struct place *place)
{
    size_t pending = 0;
    regex->pending[pending++] = step;
    while (pending > 0) {
        size_t at = regex->pending[--pending];
        ASSERT(at < regex->step_count && pending <= 2 * regex->step_count);
        const struct step *found = &regex->steps[at];
        if (regex->seen[at] == regex->turn) {
            continue;
        }
        regex->seen[at] = regex->turn;
        switch (found->kind) {
        case STEP_SPLIT:
            regex->pending[pending++] = found->second;
            regex->pending[pending++] = found->first;
            break;
        case STEP_JUMP:
            regex->pending[pending++] = found->first;
            break;
        case STEP_ASSERT:
            if (holds(found->assertion, place)) {
                regex->pending[pending++] = found->first;
            }
            break;
        case STEP_RANGES:
        case STEP_MATCH:
            threads[count++] = at;
            break;
        }
    }
    return count;
}

static bool takes(const struct regex *regex, const struct step *step, uint32_t point)
{
    for (size_t i = 0; i < step->range_count; i++) {
        const struct range *range = &regex->ranges[step->range_start + i];
        if (point >= range->from && point <= range->to) {
            return !step->negated;
        }
    }
    return step->negated;
}

static void next_turn(struct regex *regex)
{
    if (++regex->turn == 0) {
        memset(regex->seen, 0, regex->step_count * sizeof *regex->seen);
        regex->turn = 1;
    }
}

bool regex_matches(struct regex *regex, struct string_view text)
{
    const uint8_t *at = (const uint8_t *)text.data;
    const uint8_t *end = at + text.size;
    const uint8_t *peek = at;
    struct place place = {.is_start = true, .is_end = text.size == 0, .before = '\n'};
    place.after = place.is_end ? '\n' : next_point(&peek, end);
    next_turn(regex);
    size_t count = follow(regex, regex->threads[0], 0, 0, &place);
    size_t current = 0;
    while (at < end && count > 0) {
        uint32_t point = next_point(&at, end);
        peek = at;
        place = (struct place){.is_end = at == end, .before = point, .after = '\n'};
        if (at < end) {
            place.after = next_point(&peek, end);
        }
        next_turn(regex);
        size_t next = 0;
        for (size_t i = 0; i < count; i++) {
            const struct step *step = &regex->steps[regex->threads[current][i]];
            if (step->kind == STEP_RANGES && takes(regex, step, point)) {
                next = follow(regex, regex->threads[1 - current], next, step->first, &place);
            }
        }
        current = 1 - current;
        count = next;
    }
    for (size_t i = 0; at == end && i < count; i++) {
        if (regex->steps[regex->threads[current][i]].kind == STEP_MATCH) {
            return true;
        }
    }
    return false;
}

size_t regex_steps(const struct regex *regex) { return regex->step_count; }
