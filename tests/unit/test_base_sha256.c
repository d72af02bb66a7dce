/* SHA-256: the standard's vectors, both ways of computing it, and any way of cutting the input. */
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256_blocks.h"

/* Bytes that differ from place to place. */
static void fill(uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)(i * 167 + (i >> 8) * 13 + 5);
}

/* FIPS 180-2, appendix B, and NIST's short messages. */
static void standard_vectors(void **state) {
    (void)state;
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char hex[65];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        limn_sha256_of(rows[i].text, strlen(rows[i].text), hex);
        assert_string_equal(hex, rows[i].hex);
    }
    limn_sha256 h;
    limn_sha256_start(&h);
    for (int i = 0; i < 1000; i++) {
        char part[1000];
        memset(part, 'a', sizeof part);
        limn_sha256_add(&h, part, sizeof part);
    }
    limn_sha256_end(&h, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* The portable code against the processor's own, at every length round the blocks' edges. */
static void both_ways_agree(void **state) {
    (void)state;
    if (!limn_sha256_has_x86()) skip();
    uint8_t data[301];
    fill(data, sizeof data);
    for (size_t size = 0; size <= 300; size++) {
        char hex[2][65];
        for (int native = 0; native < 2; native++) {
            limn_sha256 h;
            limn_sha256_start(&h);
            assert_true(h.native);
            h.native = native;
            limn_sha256_add(&h, data + 1, size);
            limn_sha256_end(&h, hex[native]);
        }
        assert_string_equal(hex[0], hex[1]);
    }
}

/* However the bytes come in, the hash is the same. */
static void pieces_do_not_matter(void **state) {
    (void)state;
    enum { SIZE = 1000 };
    uint8_t data[SIZE];
    fill(data, SIZE);
    char whole[65], pieces[65];
    limn_sha256_of(data, SIZE, whole);
    for (size_t step = 1; step < 200; step += 7) {
        limn_sha256 h;
        limn_sha256_start(&h);
        for (size_t at = 0; at < SIZE; at += step) {
            limn_sha256_add(&h, data + at, at + step < SIZE ? step : SIZE - at);
            limn_sha256_add(&h, NULL, 0);
        }
        limn_sha256_end(&h, pieces);
        assert_string_equal(pieces, whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_vectors),
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(pieces_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
