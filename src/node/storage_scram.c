#include "node/storage_scram.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/system.h"
#include "security/scram.h"

#define SALT_BYTES 26
#define ITERATIONS_DEFAULT 4096

enum scram_part { NAME, PASSWORD, ITERATIONS, SALT, SALTED, PART_COUNT };
static const char *const part_names[PART_COUNT] = {
    [NAME] = "name", [PASSWORD] = "password", [ITERATIONS] = "iterations",
    [SALT] = "salt", [SALTED] = "saltedpassword",
};

/* An argument on its way; a part that is not given has no data. */
struct scram_argument {
    struct arena *arena;
    struct err_message *message;
    enum scram_mechanism mechanism;
    struct string_view parts[PART_COUNT];
    struct string_view *unknown;
    size_t unknown_count;
    struct bytes_view salt;
    int32_t iterations;
};

static struct string_view trimmed(const char *from, const char *to)
{
    while (from < to && isspace((unsigned char)*from)) {
        from++;
    }
    while (to > from && isspace((unsigned char)to[-1])) {
        to--;
    }
    return (struct string_view){from, (size_t)(to - from)};
}

static const char *find_or_end(const char *from, const char *end, char what)
{
    const char *found = memchr(from, what, (size_t)(end - from));
    return found != NULL ? found : end;
}

static int refuse(const struct scram_argument *scram, const char *format, struct string_view what)
{
    int shown = what.size < 200 ? (int)what.size : 200;
    char text[ERR_MESSAGE_BYTES];
    snprintf(text, sizeof text, format, shown, what.data);
    return err_set(scram->message, ERR_INVALID, "%s", text);
}

/* A component that is none of the known ones is kept for the error, sorted, each once. */
static int add_unknown(struct scram_argument *scram, struct string_view key)
{
    size_t at = 0;
    int order = -1;
    while (at < scram->unknown_count &&
           (order = string_view_compare(scram->unknown[at], key)) < 0) {
        at++;
    }
    if (at < scram->unknown_count && order == 0) {
        return 0;
    }
    struct string_view *more =
        arena_array(scram->arena, scram->unknown_count + 1, sizeof *more);
    if (more == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i <= scram->unknown_count; i++) {
        more[i] = i == at ? key : scram->unknown[i < at ? i : i - 1];
    }
    scram->unknown = more;
    scram->unknown_count++;
    return 0;
}

/* key=value or key="value", with all the blanks that are there. */
static int take_part(struct scram_argument *scram, struct string_view component)
{
    const char *end = component.data + component.size;
    const char *equals = find_or_end(component.data, end, '=');
    if (equals == end) {
        return refuse(scram, "No equals sign found in SCRAM component: %.*s", component);
    }
    struct string_view key = {component.data, (size_t)(equals - component.data)};
    struct string_view value = {equals + 1, (size_t)(end - equals - 1)};
    if (value.size > 1 && value.data[0] == '"' && end[-1] == '"') {
        value = (struct string_view){value.data + 1, value.size - 2};
    }
    size_t part = 0;
    while (part < PART_COUNT && !string_view_is(key, part_names[part])) {
        part++;
    }
    if (part == PART_COUNT) {
        return add_unknown(scram, key);
    }
    scram->parts[part] = value; /* the last one counts */
    return 0;
}

/* What lies between commas, but for nothing at the end. */
static int take_parts(struct scram_argument *scram, struct string_view text)
{
    const char *at = text.data;
    const char *end = text.data + text.size;
    while (end > at && end[-1] == ',') {
        end--;
    }
    int error = text.size > 0 ? 0 : take_part(scram, text);
    while (error == 0 && at < end) {
        const char *comma = find_or_end(at, end, ',');
        error = take_part(scram, (struct string_view){at, (size_t)(comma - at)});
        at = comma + 1;
    }
    return error;
}

/* Base64 with all of its padding or none; NULL when it is neither. */
static struct bytes_view decode_base64(struct arena *arena, struct string_view text)
{
    size_t padded = (text.size + 3) / 4 * 4;
    size_t size = text.size;
    while (size > 0 && text.data[size - 1] == '=') {
        size--;
    }
    uint8_t *in = arena_alloc(arena, padded + 1);
    uint8_t *out = arena_alloc(arena, padded + 1);
    if (in == NULL || out == NULL || text.size > INT32_MAX / 2 || size % 4 == 1 ||
        (size < text.size && (text.size % 4 != 0 || text.size - size > 2))) {
        return (struct bytes_view){NULL, 0};
    }
    memset(in, '=', padded);
    memcpy(in, text.data, size);
    for (size_t i = 0; i < size; i++) {
        if (!isalnum(in[i]) && in[i] != '+' && in[i] != '/') {
            return (struct bytes_view){NULL, 0}; /* blanks, too, which OpenSSL passes over */
        }
    }
    int decoded = EVP_DecodeBlock(out, in, (int)padded) - (int)(padded - size);
    return (struct bytes_view){decoded < 0 ? NULL : out, decoded < 0 ? 0 : (size_t)decoded};
}

static int split_parts(struct scram_argument *scram, const char *argument)
{
    struct string_view text = trimmed(argument, argument + strlen(argument));
    const char *end = text.data + text.size;
    const char *equals = find_or_end(text.data, end, '=');
    if (equals == end) {
        return refuse(scram, "Failed to find equals sign in SCRAM argument '%.*s'", text);
    }
    struct string_view mechanism = {text.data, (size_t)(equals - text.data)};
    if (!scram_mechanism_find(mechanism, &scram->mechanism)) {
        return refuse(scram, "The add-scram mechanism %.*s is not supported.", mechanism);
    }
    if (equals + 1 == end || equals[1] != '[') {
        return err_set(scram->message, ERR_INVALID,
                       "Expected configuration string to start with [");
    }
    if (end[-1] != ']') {
        return err_set(scram->message, ERR_INVALID, "Expected configuration string to end with ]");
    }
    return take_parts(scram, (struct string_view){equals + 2, (size_t)(end - equals - 3)});
}

static int take_iterations(struct scram_argument *scram)
{
    struct string_view text = scram->parts[ITERATIONS];
    scram->iterations = ITERATIONS_DEFAULT;
    if (text.data == NULL) {
        return 0;
    }
    struct string_view copy = arena_format(scram->arena, "%.*s", (int)text.size, text.data);
    char *end = NULL;
    long number = copy.data != NULL ? strtol(copy.data, &end, 10) : 0;
    bool fits = number >= INT32_MIN && number <= INT32_MAX;
    if (end == NULL || end == copy.data || *end != '\0' || !fits ||
        isspace((unsigned char)copy.data[0])) {
        return refuse(scram, "Failed to parse iterations count: %.*s", text);
    }
    scram->iterations = (int32_t)number;
    return 0;
}

static int check_iterations(const struct scram_argument *scram)
{
    const char *hash = scram->mechanism == SCRAM_SHA_256 ? "SCRAM_SHA_256" : "SCRAM_SHA_512";
    bool few = scram->iterations < SCRAM_ITERATIONS_MIN;
    if (!few && scram->iterations <= SCRAM_ITERATIONS_MAX) {
        return 0;
    }
    return err_set(scram->message, ERR_INVALID,
                   "The 'iterations' value must be %s %d for add-scram using %s",
                   few ? ">=" : "<=", few ? SCRAM_ITERATIONS_MIN : SCRAM_ITERATIONS_MAX, hash);
}

static int check_unknown(const struct scram_argument *scram)
{
    struct string_view all = {"", 0};
    for (size_t i = 0; i < scram->unknown_count; i++) {
        all = arena_format(scram->arena, "%.*s%s%.*s", (int)all.size, all.data,
                           i > 0 ? ", " : "", (int)scram->unknown[i].size,
                           scram->unknown[i].data);
    }
    return scram->unknown_count == 0 ? 0
                                     : refuse(scram, "Unknown SCRAM configurations: %.*s", all);
}

static int take_salt(struct scram_argument *scram)
{
    if (scram->parts[SALT].data != NULL) {
        scram->salt = decode_base64(scram->arena, scram->parts[SALT]);
        return scram->salt.data != NULL
                   ? 0
                   : refuse(scram, "Failed to decode given salt: %.*s", scram->parts[SALT]);
    }
    uint8_t *salt = arena_alloc(scram->arena, SALT_BYTES);
    if (salt == NULL) {
        return ERR_NOMEM;
    }
    io_random_bytes(salt, SALT_BYTES);
    scram->salt = (struct bytes_view){salt, SALT_BYTES};
    return 0;
}

static int take_salted(struct scram_argument *scram, struct bytes_view *salted)
{
    *salted = (struct bytes_view){NULL, 0};
    if (scram->parts[PASSWORD].data != NULL) {
        return 0;
    }
    *salted = decode_base64(scram->arena, scram->parts[SALTED]);
    return salted->data != NULL ? 0
                                : refuse(scram, "Failed to decode given saltedPassword: %.*s",
                                         scram->parts[SALTED]);
}

static int salt_password(struct scram_argument *scram, struct bytes_view *salted)
{
    struct string_view password = scram->parts[PASSWORD];
    if ((password.data != NULL ? password.size : salted->size) == 0) {
        return err_set(scram->message, ERR_INVALID, "Empty key");
    }
    if (password.data == NULL) {
        return 0;
    }
    uint8_t *bytes = arena_alloc(scram->arena, SCRAM_KEY_BYTES_MAX);
    *salted = (struct bytes_view){bytes, scram_key_bytes(scram->mechanism)};
    return bytes == NULL
               ? ERR_NOMEM
               : scram_salt_password(
                     scram->mechanism,
                     (struct bytes_view){(const uint8_t *)password.data, password.size},
                     scram->salt, scram->iterations, bytes);
}

static int check_parts(const struct scram_argument *scram)
{
    const struct string_view *parts = scram->parts;
    const char *wrong = NULL;
    if (parts[NAME].data == NULL) {
        wrong = "You must supply 'name' to add-scram";
    } else if (parts[PASSWORD].data == NULL && parts[SALTED].data == NULL) {
        wrong = "You must supply one of 'password' or 'saltedpassword' to add-scram";
    } else if (parts[PASSWORD].data == NULL && parts[SALT].data == NULL) {
        wrong = "You must supply 'salt' with 'saltedpassword' to add-scram";
    }
    return wrong == NULL ? 0 : err_set(scram->message, ERR_INVALID, "%s", wrong);
}

int storage_scram_parse(struct arena *arena, const char *argument,
                        struct user_scram_credential_record *record, struct err_message *message)
{
    struct scram_argument scram = {.arena = arena, .message = message};
    struct bytes_view salted;
    struct scram_keys *keys = arena_alloc(arena, sizeof *keys);
    int error = keys == NULL ? ERR_NOMEM : split_parts(&scram, argument);
    error = error == 0 ? check_parts(&scram) : error;
    error = error == 0 ? take_salt(&scram) : error;
    error = error == 0 ? take_iterations(&scram) : error;
    error = error == 0 ? take_salted(&scram, &salted) : error;
    error = error == 0 ? check_unknown(&scram) : error;
    error = error == 0 ? check_iterations(&scram) : error;
    error = error == 0 ? salt_password(&scram, &salted) : error;
    error = error == 0 ? scram_derive_keys(scram.mechanism, salted, keys) : error;
    if (error == 0) {
        size_t size = scram_key_bytes(scram.mechanism);
        *record = (struct user_scram_credential_record){
            .name = arena_string(arena, scram.parts[NAME]),
            .mechanism = (int8_t)scram.mechanism,
            .salt = scram.salt,
            .stored_key = {keys->stored_key, size},
            .server_key = {keys->server_key, size},
            .iterations = scram.iterations,
        };
    }
    return error;
}

static void print_bytes(const char *name, struct bytes_view bytes)
{
    printf(", %s=[", name);
    for (size_t i = 0; i < bytes.size; i++) {
        printf("%s%d", i > 0 ? ", " : "", (int8_t)bytes.data[i]);
    }
    printf("]");
}

void storage_scram_print(const struct user_scram_credential_record *record)
{
    printf("UserScramCredentialRecord(name='%.*s', mechanism=%d", (int)record->name.size,
           record->name.data, record->mechanism);
    print_bytes("salt", record->salt);
    print_bytes("storedKey", record->stored_key);
    print_bytes("serverKey", record->server_key);
    printf(", iterations=%d)", record->iterations);
}
