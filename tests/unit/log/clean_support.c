#include "clean_support.h"

uint64_t store_random(struct store *store, uint64_t bound)
{
    store->random ^= store->random << 13;
    store->random ^= store->random >> 7;
    store->random ^= store->random << 17;
    return store->random % bound;
}

int store_open(struct store *store, enum start start, int64_t recovery_point)
{
    struct err_message message = {{0}};
    struct log_options options = {.fs = store->fs,
                                  .directory = store->directory,
                                  .config = store->config,
                                  .recovery_point = recovery_point,
                                  .clean_shutdown = start == START_CLEAN,
                                  .page_cache_intact = start == START_KILLED,
                                  .now_ms = store->now_ms,
                                  .random = 1};
    int error = log_open(&options, &store->log, &message);
    if (error != 0) {
        print_message("%s\n", message.text);
    }
    return error;
}

void store_init(struct store *store, struct io_fs *fs, uint64_t seed)
{
    memset(store, 0, sizeof *store);
    store->fs = fs;
    store->config = log_config_default();
    store->config.clean_compact = true;
    store->config.clean_delete = false;
    store->config.segment_bytes = 4000;
    store->config.index_interval_bytes = 200;
    store->config.producer_id_expiration_ms = INT64_MAX / 2;
    store->now_ms = NOW_MS;
    store->random = seed * 2654435761u + 88172645463325252u;
    store->cleaned_offset = -1;
    store->value_bytes = 60;
}

static void model_text(const struct model_record *record, char *key, char *value)
{
    snprintf(key, 32, "key-%d", record->key);
    snprintf(value, 32, "value-%d", record->value);
}

int store_append(struct store *store, int count, enum batch_codec codec,
                               int producer, bool transactional)
{
    static uint8_t values[64][128];
    static char keys[64][32];
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    struct writer plain;
    struct writer packed;
    writer_init(&plain, 1 << 24);
    writer_init(&packed, 1 << 24);
    if (producer >= 0) {
        header.producer_id = producer;
        header.producer_epoch = 0;
        header.base_sequence = store->sequences[producer];
    }
    header.attributes = transactional ? BATCH_TRANSACTIONAL : 0;
    batch_builder_init(&builder, &plain, &header);
    for (int i = 0; i < count; i++) {
        struct model_record *record = &store->model[store->model_end + i];
        *record = (struct model_record){
            true, (int)store_random(store, MODEL_KEYS), (int)(store->model_end + i),
            transactional ? MODEL_OPEN : MODEL_PLAIN, producer,
            store->now_ms - (int64_t)store_random(store, 1000)};
        if (store_random(store, 5) == 0) {
            record->value = -1;
        }
        memset(values[i], 'x', sizeof values[i]);
        char value[32];
        model_text(record, keys[i], value);
        memcpy(values[i], value, strlen(value) + 1);
        struct record_header extra = {{"header", 6}, {(const uint8_t *)"h", 1}};
        struct record added = {
            .offset = i,
            .timestamp_ms = record->timestamp_ms,
            .key = {(const uint8_t *)keys[i], strlen(keys[i])},
            .value = {record->value < 0 ? NULL : values[i],
                      record->value < 0 ? 0 : (size_t)store->value_bytes},
            .headers = &extra,
            .header_count = record->key % 2,
        };
        batch_builder_add(&builder, &added);
    }
    assert_int_equal(batch_builder_finish(&builder), 0);
    struct writer *data = &plain;
    if (codec != BATCH_CODEC_NONE) {
        writer_bytes(&packed, plain.data, BATCH_HEADER_BYTES);
        assert_int_equal(compress_append(codec, COMPRESS_LEVEL_DEFAULT,
                                         (struct bytes_view){plain.data + BATCH_HEADER_BYTES,
                                                             plain.size - BATCH_HEADER_BYTES},
                                         &packed),
                         0);
        batch_seal(packed.data, packed.size, codec);
        data = &packed;
    }
    struct log_append_options options = {.origin = LOG_ORIGIN_CLIENT,
                                         .leader_epoch = 5,
                                         .now_ms = store->now_ms,
                                         .api_version = 9};
    struct log_append_result result;
    int error = log_append(store->log, &options, data->data, data->size, &result);
    if (error == 0) {
        assert_int_equal(result.base_offset, store->model_end);
        store->model_end += count;
        if (producer >= 0) {
            store->sequences[producer] += count;
        }
    }
    writer_release(&plain);
    writer_release(&packed);
    return error;
}

int store_end(struct store *store, int producer, bool commit)
{
    static const uint8_t keys[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 1}};
    static const uint8_t value[6] = {0};
    struct batch header = batch_header_empty(0);
    struct batch_builder builder;
    struct writer writer;
    header.producer_id = producer;
    header.producer_epoch = 0;
    header.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    writer_init(&writer, 1 << 16);
    batch_builder_init(&builder, &writer, &header);
    struct record record = {.timestamp_ms = store->now_ms,
                            .key = {keys[commit], 4},
                            .value = {value, sizeof value}};
    batch_builder_add(&builder, &record);
    assert_int_equal(batch_builder_finish(&builder), 0);
    struct log_append_options options = {
        .origin = LOG_ORIGIN_COORDINATOR, .leader_epoch = 5, .now_ms = store->now_ms};
    struct log_append_result result;
    int error = log_append(store->log, &options, writer.data, writer.size, &result);
    writer_release(&writer);
    if (error != 0) {
        return error;
    }
    assert_int_equal(result.base_offset, store->model_end);
    for (int64_t i = 0; i < store->model_end; i++) {
        struct model_record *old = &store->model[i];
        if (old->is_data && old->fate == MODEL_OPEN && old->producer_id == producer) {
            old->fate = commit ? MODEL_COMMITTED : MODEL_ABORTED;
        }
    }
    store->model[store->model_end++] =
        (struct model_record){.is_data = false, .producer_id = producer};
    return 0;
}

int store_clean_begin(struct store *store, struct clean_how how, struct log_clean **clean)
{
    struct log_clean_survey survey;
    int error = log_clean_survey(store->log, store->cleaned_offset, log_end_offset(store->log),
                                 store->now_ms, &survey);
    assert_int_equal(error, 0);
    if (survey.cleanable_bytes == 0 ||
        survey.first_dirty_offset >= survey.round_end_offset) {
        return 1;
    }
    struct log_clean_options options = {
        .first_dirty_offset = survey.first_dirty_offset,
        .round_end_offset = survey.round_end_offset,
        .now_ms = store->now_ms,
        .map_bytes = how.map_bytes == 0 ? 1 << 20 : how.map_bytes,
        .map_load_factor = 0.9,
        .io_bytes = 1000,
        .random = {1, 2, 3},
    };
    return log_clean_begin(store->log, &options, clean);
}

int store_clean(struct store *store, struct clean_how how)
{
    struct log_clean *clean;
    int error = store_clean_begin(store, how, &clean);
    if (error != 0) {
        return error;
    }
    int more;
    do {
        log_clean_work(clean);
        more = log_clean_advance(store->log, clean);
    } while (more == 1);
    struct log_clean_result result;
    log_clean_view(clean, &result);
    if (more == 0) {
        store->cleaned_offset = result.cleaned_offset;
    }
    log_clean_end(store->log, &clean);
    return more;
}

static void read_record(struct reader_state *state, const struct batch *batch,
                               const struct record *record)
{
    struct store *store = state->store;
    assert_in_range(record->offset, 0, store->model_end - 1);
    const struct model_record *known = &store->model[record->offset];
    if (batch_is_control(batch)) {
        assert_false(known->is_data);
        state->markers++;
        return;
    }
    char key[32];
    char value[32];
    model_text(known, key, value);
    assert_true(known->is_data);
    assert_int_equal(record->key.size, strlen(key));
    assert_memory_equal(record->key.data, key, strlen(key));
    assert_int_equal(record->timestamp_ms, known->timestamp_ms);
    assert_int_equal(record->header_count, known->key % 2);
    assert_int_equal(batch->producer_id, known->producer_id);
    assert_int_equal(record->value.data == NULL, known->value < 0);
    if (known->value >= 0) {
        assert_int_equal(record->value.size, store->value_bytes);
        assert_string_equal((const char *)record->value.data, value);
    }
    state->seen++;
    if (known->fate == MODEL_ABORTED) {
        state->aborted_seen++;
    } else {
        state->values[known->key] = known->value;
    }
}

static void read_batch(struct reader_state *state, const uint8_t *data,
                              const struct batch *batch)
{
    struct writer plain;
    struct bytes_view records = {batch->records, batch->size_bytes - BATCH_HEADER_BYTES};
    struct record_iter iter;
    struct record record;
    int64_t before = state->next_offset;
    assert_true(batch_crc_holds(data, batch));
    assert_true(batch->base_offset >= state->next_offset);
    assert_int_equal(batch->partition_leader_epoch, 5);
    if (batch_last_offset(batch) >= state->must_have_from) {
        assert_true(batch->base_offset == before || batch->base_offset <= state->must_have_from);
        if (batch->base_offset >= state->must_have_from) {
            assert_int_equal(batch->record_count, batch->last_offset_delta + 1);
        }
    }
    writer_init(&plain, 1 << 24);
    enum batch_codec codec = batch->attributes & BATCH_CODEC_MASK;
    if (codec != BATCH_CODEC_NONE) {
        assert_int_equal(decompress_append(codec, records, &plain), 0);
        records = (struct bytes_view){plain.data, plain.size};
    }
    record_iter_init(&iter, batch, records);
    int more;
    while ((more = record_iter_next(&iter, &record)) == 1) {
        read_record(state, batch, &record);
    }
    assert_int_equal(more, 0);
    writer_release(&plain);
    state->batches++;
    state->empty_batches += batch->record_count == 0;
    state->next_offset = batch_last_offset(batch) + 1;
    state->last = *batch;
}

void store_read(struct store *store, int64_t must_have_from,
                              struct reader_state *state)
{
    *state = (struct reader_state){.store = store, .must_have_from = must_have_from};
    for (int i = 0; i < MODEL_KEYS; i++) {
        state->values[i] = -1;
    }
    for (;;) {
        struct log_read_result result;
        assert_int_equal(log_read(store->log, state->next_offset, log_end_offset(store->log), 3000,
                                  true, &result),
                         0);
        if (!result.has_range) {
            break;
        }
        uint8_t *data = mem_need(result.range.size + 1);
        assert_int_equal(io_file_read(result.range.file, data, result.range.size,
                                      result.range.position),
                         result.range.size);
        struct batch batch;
        size_t at = 0;
        while (batch_decode(data + at, result.range.size - at, &batch) == 0) {
            read_batch(state, data + at, &batch);
            at += batch.size_bytes;
        }
        assert_true(at > 0);
        mem_free(data);
        result.range.release(&result.range);
    }
}

void store_check_values(struct store *store, const struct reader_state *state,
                                      int64_t end)
{
    for (int key = 0; key < MODEL_KEYS; key++) {
        int expected = -1;
        for (int64_t i = 0; i < end; i++) {
            const struct model_record *record = &store->model[i];
            if (record->is_data && record->key == key && record->fate != MODEL_ABORTED) {
                expected = record->value;
            }
        }
        if (state->values[key] != expected) {
            fail_msg("key %d: the log says %d, the model %d", key, state->values[key], expected);
        }
    }
}

int store_fill(struct store *store, int batches)
{
    int error = 0;
    for (int i = 0; error == 0 && i < batches; i++) {
        enum batch_codec codec =
            store_random(store, 3) == 0 ? store_random(store, BATCH_CODEC_COUNT) : 0;
        int count = 1 + (int)store_random(store, 8);
        store->now_ms += (int64_t)store_random(store, 1000);
        uint64_t kind = store_random(store, 10);
        if (kind < 6) {
            error = store_append(store, count, codec, -1, false);
        } else if (kind < 8) {
            error = store_append(store, count, codec, (int)store_random(store, 4), false);
        } else {
            int producer = 4 + (int)store_random(store, 4);
            error = store_append(store, count, codec, producer, true);
            if (error == 0 && store_random(store, 2) == 0) {
                error = store_append(store, count, codec, -1, false);
            }
            if (error == 0) {
                error = store_end(store, producer, store_random(store, 2) == 0);
            }
        }
    }
    return error;
}

int fixture_compacted(void **state)
{
    struct fixture *fixture = mem_need(sizeof *fixture);
    snprintf(fixture->root, sizeof fixture->root, "/tmp/barnabas-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    fixture->fs = io_fs_linux();
    store_init(&fixture->store, &fixture->fs, 1);
    snprintf(fixture->store.directory, sizeof fixture->store.directory, "%s/topic-0",
             fixture->root);
    *state = fixture;
    return 0;
}

int fixture_aging(void **state)
{
    fixture_compacted(state);
    struct log_config *config = &((struct fixture *)*state)->store.config;
    config->clean_compact = false;
    config->clean_delete = true;
    config->segment_bytes = 1 << 20;
    return 0;
}

int fixture_end(void **state)
{
    struct fixture *fixture = *state;
    log_abandon(&fixture->store.log);
    assert_int_equal(log_dir_remove_tree(&fixture->fs, fixture->root), 0);
    mem_free(fixture);
    return 0;
}
