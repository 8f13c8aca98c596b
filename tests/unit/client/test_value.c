/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <locale.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "support/segment_host.h"

static struct zkcfg_document *made;

/* A document whose /a has this text. */
static void make(const char *text)
{
	struct document_origin origin = { .name = "app.xml" };
	struct document_builder *builder = document_builder_new(&origin, NULL, 0);
	size_t size_bytes;

	document_builder_open(builder, "a", 1);
	document_builder_text(builder, text, strlen(text));
	document_builder_close(builder);
	ck_assert_int_eq(document_builder_finish(builder, &made, &size_bytes), 0);
}

static void drop(void)
{
	free(made);
	made = NULL;
}

#define LONG_ZEROS \
	"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"

static const struct {
	const char *text;
	int error;
	int64_t value;
} integers[] = {
	{ "0", 0, 0 },
	{ "42", 0, 42 },
	{ "+42", 0, 42 },
	{ "-42", 0, -42 },
	{ " \t\r\n42\n ", 0, 42 },
	{ "007", 0, 7 },
	{ "010", 0, 10 },
	{ "0x1F", 0, 31 },
	{ "0Xff", 0, 255 },
	{ "-0x10", 0, -16 },
	{ "9223372036854775807", 0, INT64_MAX },
	{ "-9223372036854775808", 0, INT64_MIN },
	{ "0x7fffffffffffffff", 0, INT64_MAX },
	{ LONG_ZEROS "5", 0, 5 },
	{ "9223372036854775808", ZKCFG_ERANGE, 0 },
	{ "-9223372036854775809", ZKCFG_ERANGE, 0 },
	{ "0x8000000000000000", ZKCFG_ERANGE, 0 },
	{ "99999999999999999999999999", ZKCFG_ERANGE, 0 },
	{ "", ZKCFG_ETYPE, 0 },
	{ " ", ZKCFG_ETYPE, 0 },
	{ "x", ZKCFG_ETYPE, 0 },
	{ "4 2", ZKCFG_ETYPE, 0 },
	{ "42x", ZKCFG_ETYPE, 0 },
	{ "4.2", ZKCFG_ETYPE, 0 },
	{ "4e2", ZKCFG_ETYPE, 0 },
	{ "--4", ZKCFG_ETYPE, 0 },
	{ "+-4", ZKCFG_ETYPE, 0 },
	{ "- 4", ZKCFG_ETYPE, 0 },
	{ "-", ZKCFG_ETYPE, 0 },
	{ "0x", ZKCFG_ETYPE, 0 },
	{ "0xg", ZKCFG_ETYPE, 0 },
	{ "0x-1", ZKCFG_ETYPE, 0 },
	{ "ff", ZKCFG_ETYPE, 0 },
	{ "1,000", ZKCFG_ETYPE, 0 },
	{ "99999999999999999999999999x", ZKCFG_ETYPE, 0 },
	{ "\v4", ZKCFG_ETYPE, 0 },
	{ LONG_ZEROS LONG_ZEROS "5", ZKCFG_ETYPE, 0 },
};

START_TEST(int64_is_read_as_said)
{
	int64_t value = 4711;
	int err;

	make(integers[_i].text);
	err = zkcfg_document_int64(made, "/a", &value);
	ck_assert_msg(err == integers[_i].error, "\"%s\": %s", integers[_i].text, zkcfg_strerror(err));
	ck_assert_int_eq(value, err < 0 ? 4711 : integers[_i].value);
}
END_TEST

static const struct {
	const char *text;
	int error;
	double value;
} doubles[] = {
	{ "0", 0, 0 },
	{ "1.5", 0, 1.5 },
	{ "-1.5", 0, -1.5 },
	{ "+1.5", 0, 1.5 },
	{ " 1.5\n", 0, 1.5 },
	{ ".5", 0, 0.5 },
	{ "5.", 0, 5 },
	{ "1e3", 0, 1000 },
	{ "1E-3", 0, 0.001 },
	{ "1.25e+2", 0, 125 },
	{ "0.1", 0, 0.1 },
	{ "1e308", 0, 1e308 },
	{ "1e-400", 0, 0 },
	{ "9007199254740993", 0, 9007199254740992.0 },
	{ "1e309", ZKCFG_ERANGE, 0 },
	{ "-1e309", ZKCFG_ERANGE, 0 },
	{ "", ZKCFG_ETYPE, 0 },
	{ ".", ZKCFG_ETYPE, 0 },
	{ "+", ZKCFG_ETYPE, 0 },
	{ "e5", ZKCFG_ETYPE, 0 },
	{ "1e", ZKCFG_ETYPE, 0 },
	{ "1e+", ZKCFG_ETYPE, 0 },
	{ "1,5", ZKCFG_ETYPE, 0 },
	{ "1.5.2", ZKCFG_ETYPE, 0 },
	{ "1 5", ZKCFG_ETYPE, 0 },
	{ "inf", ZKCFG_ETYPE, 0 },
	{ "nan", ZKCFG_ETYPE, 0 },
	{ "INFINITY", ZKCFG_ETYPE, 0 },
	{ "0x10", ZKCFG_ETYPE, 0 },
	{ "1.5s", ZKCFG_ETYPE, 0 },
};

START_TEST(double_is_read_as_said)
{
	double value = 4711;
	int err;

	make(doubles[_i].text);
	err = zkcfg_document_double(made, "/a", &value);
	ck_assert_msg(err == doubles[_i].error, "\"%s\": %s", doubles[_i].text, zkcfg_strerror(err));
	ck_assert_double_eq(value, err < 0 ? 4711 : doubles[_i].value);
}
END_TEST

static const struct {
	const char *text;
	int error;
	int value;
} bools[] = {
	{ "true", 0, 1 },
	{ "yes", 0, 1 },
	{ "on", 0, 1 },
	{ "1", 0, 1 },
	{ "false", 0, 0 },
	{ "no", 0, 0 },
	{ "off", 0, 0 },
	{ "0", 0, 0 },
	{ "TRUE", 0, 1 },
	{ "Off", 0, 0 },
	{ " true\n", 0, 1 },
	{ "", ZKCFG_ETYPE, 0 },
	{ "2", ZKCFG_ETYPE, 0 },
	{ "t", ZKCFG_ETYPE, 0 },
	{ "truer", ZKCFG_ETYPE, 0 },
	{ "00", ZKCFG_ETYPE, 0 },
	{ "yes no", ZKCFG_ETYPE, 0 },
	{ "null", ZKCFG_ETYPE, 0 },
};

START_TEST(bool_is_read_as_said)
{
	int value = 4711, err;

	make(bools[_i].text);
	err = zkcfg_document_bool(made, "/a", &value);
	ck_assert_msg(err == bools[_i].error, "\"%s\": %s", bools[_i].text, zkcfg_strerror(err));
	ck_assert_int_eq(value, err < 0 ? 4711 : bools[_i].value);
}
END_TEST

static const struct {
	const char *text;
	int error;
	int64_t value;
} durations[] = {
	{ "0", 0, 0 },
	{ "0.0", 0, 0 },
	{ "0s", 0, 0 },
	{ "250ms", 0, 250 },
	{ "1s", 0, 1000 },
	{ "1.5s", 0, 1500 },
	{ " 1.5s ", 0, 1500 },
	{ "90m", 0, 5400000 },
	{ "2h", 0, 7200000 },
	{ "0.5h", 0, 1800000 },
	{ "0.4ms", 0, 0 },
	{ "0.5ms", 0, 1 },
	{ "0.0015s", 0, 2 },
	{ "1e3s", 0, 1000000 },
	{ "9007199254740993ms", 0, INT64_C(9007199254740993) },
	{ "9223372036854775807ms", 0, INT64_MAX },
	{ "9223372036854775808ms", ZKCFG_ERANGE, 0 },
	{ "9223372036854776s", ZKCFG_ERANGE, 0 },
	{ "1e300h", ZKCFG_ERANGE, 0 },
	{ "1e6000h", ZKCFG_ERANGE, 0 },
	{ "", ZKCFG_ETYPE, 0 },
	{ "5", ZKCFG_ETYPE, 0 },
	{ "s", ZKCFG_ETYPE, 0 },
	{ "ms", ZKCFG_ETYPE, 0 },
	{ "-1s", ZKCFG_ETYPE, 0 },
	{ "+1s", ZKCFG_ETYPE, 0 },
	{ "1 s", ZKCFG_ETYPE, 0 },
	{ "1d", ZKCFG_ETYPE, 0 },
	{ "1S", ZKCFG_ETYPE, 0 },
	{ "1sec", ZKCFG_ETYPE, 0 },
	{ "1s500ms", ZKCFG_ETYPE, 0 },
	{ "1,5s", ZKCFG_ETYPE, 0 },
	{ ".5s", ZKCFG_ETYPE, 0 },
	{ "infs", ZKCFG_ETYPE, 0 },
};

START_TEST(duration_is_read_as_said)
{
	int64_t value = 4711;
	int err;

	make(durations[_i].text);
	err = zkcfg_document_duration_ms(made, "/a", &value);
	ck_assert_msg(err == durations[_i].error, "\"%s\": %s", durations[_i].text, zkcfg_strerror(err));
	ck_assert_int_eq(value, err < 0 ? 4711 : durations[_i].value);
}
END_TEST

static const struct {
	const char *text;
	int error;
	uint64_t value;
} sizes[] = {
	{ "0", 0, 0 },
	{ "100", 0, 100 },
	{ "1k", 0, 1024 },
	{ "1K", 0, 1024 },
	{ "1M", 0, 1048576 },
	{ "2G", 0, UINT64_C(2147483648) },
	{ "1.5k", 0, 1536 },
	{ "0.5G", 0, 536870912 },
	{ " 64k\n", 0, 65536 },
	{ "1e3", 0, 1000 },
	{ "9007199254740993", 0, UINT64_C(9007199254740993) },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "17179869183G", 0, UINT64_C(17179869183) << 30 },
	{ "18446744073709551616", ZKCFG_ERANGE, 0 },
	{ "17179869184G", ZKCFG_ERANGE, 0 },
	{ "1e100", ZKCFG_ERANGE, 0 },
	{ "", ZKCFG_ETYPE, 0 },
	{ "k", ZKCFG_ETYPE, 0 },
	{ "1.5", ZKCFG_ETYPE, 0 },
	{ "0.3k", ZKCFG_ETYPE, 0 },
	{ "-1", ZKCFG_ETYPE, 0 },
	{ "1kB", ZKCFG_ETYPE, 0 },
	{ "1g", ZKCFG_ETYPE, 0 },
	{ "1T", ZKCFG_ETYPE, 0 },
	{ "1 k", ZKCFG_ETYPE, 0 },
	{ "0x10", ZKCFG_ETYPE, 0 },
};

START_TEST(size_is_read_as_said)
{
	uint64_t value = 4711;
	int err;

	make(sizes[_i].text);
	err = zkcfg_document_size_bytes(made, "/a", &value);
	ck_assert_msg(err == sizes[_i].error, "\"%s\": %s", sizes[_i].text, zkcfg_strerror(err));
	ck_assert_uint_eq(value, err < 0 ? 4711 : sizes[_i].value);
}
END_TEST

/* A locale with a decimal comma, of localedef; LOCPATH is where it is. False: the machine cannot make one. */
static bool use_comma(const char *directory)
{
	char command[400];

	snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
		 directory);
	setenv("LOCPATH", directory, 1);
	if (system(command) < 0)
		return false;
	return setlocale(LC_ALL, "de_DE.UTF-8") && strcmp(localeconv()->decimal_point, ",") == 0;
}

START_TEST(locale_with_a_decimal_comma_changes_nothing)
{
	struct segment_host host;
	int64_t ms;
	double number;

	segment_host_start(&host);
	if (!use_comma(host.shm_dir)) {
		printf("localedef cannot make de_DE.UTF-8 here (package locales): a decimal comma is not tried\n");
	} else {
		make("1.5");
		ck_assert_int_eq(zkcfg_document_double(made, "/a", &number), 0);
		ck_assert_double_eq(number, 1.5);
		drop();
		make("1,5");
		ck_assert_int_eq(zkcfg_document_double(made, "/a", &number), ZKCFG_ETYPE);
		drop();
		make("1.5s");
		ck_assert_int_eq(zkcfg_document_duration_ms(made, "/a", &ms), 0);
		ck_assert_int_eq(ms, 1500);
	}
	segment_host_stop(&host);
}
END_TEST

START_TEST(typed_getters_allocate_nothing)
{
	struct mallinfo2 before, after;
	uint64_t bytes;
	double number;
	int64_t ms;

	make("0");
	ck_assert_int_eq(zkcfg_document_double(made, "/a", &number), 0);
	before = mallinfo2();
	for (int i = 0; i < 1000; i++)
		if (zkcfg_document_double(made, "/a", &number) < 0 ||
		    zkcfg_document_duration_ms(made, "/a", &ms) < 0 ||
		    zkcfg_document_size_bytes(made, "/a", &bytes) < 0 ||
		    zkcfg_document_int64(made, "/a", &ms) < 0)
			ck_abort_msg("call %d failed", i);
	after = mallinfo2();
	ck_assert_uint_eq(after.uordblks, before.uordblks);
}
END_TEST

START_TEST(errors_of_the_path_come_first)
{
	int64_t number = 4711;
	uint64_t bytes;
	double real;
	int truth;

	make("x");
	ck_assert_int_eq(zkcfg_document_int64(made, "/b", &number), ZKCFG_ENOPATH);
	ck_assert_int_eq(zkcfg_document_double(made, "b", &real), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_document_bool(made, NULL, &truth), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_document_duration_ms(NULL, "/a", &number), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_document_size_bytes(made, "/a/@k", &bytes), ZKCFG_ENOPATH);
	drop();
	made = segment_document_named("app.xml", "<a><b/></a>", &(size_t){ 0 });
	ck_assert_int_eq(zkcfg_document_int64(made, "/a", &number), ZKCFG_ENOVALUE);
	ck_assert_int_eq(number, 4711);
}
END_TEST

START_TEST(getters_by_document_name_give_the_same)
{
	struct zkcfg_snapshot *snapshot;
	struct segment_host host;
	struct zkcfg *cfg;
	const char *text;
	int64_t number;
	uint64_t bytes;
	double real;
	int truth;

	segment_host_start(&host);
	segment_host_open(&host);
	segment_host_publish(&host, "v", "<v i='-7' r='2.5' b='on' d='3m' s='4k' t='text'/>");
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	ck_assert_int_eq(zkcfg_get_int64(snapshot, "v", "/v/@i", &number), 0);
	ck_assert_int_eq(number, -7);
	ck_assert_int_eq(zkcfg_get_double(snapshot, "v", "/v/@r", &real), 0);
	ck_assert_double_eq(real, 2.5);
	ck_assert_int_eq(zkcfg_get_bool(snapshot, "v", "/v/@b", &truth), 0);
	ck_assert_int_eq(truth, 1);
	ck_assert_int_eq(zkcfg_get_duration_ms(snapshot, "v", "/v/@d", &number), 0);
	ck_assert_int_eq(number, 180000);
	ck_assert_int_eq(zkcfg_get_size_bytes(snapshot, "v", "/v/@s", &bytes), 0);
	ck_assert_uint_eq(bytes, 4096);
	ck_assert_int_eq(zkcfg_get_string(snapshot, "v", "/v/@t", &text), 0);
	ck_assert_str_eq(text, "text");
	ck_assert_int_eq(zkcfg_get_double(snapshot, "w", "/v/@r", &real), ZKCFG_ENODOC);
	ck_assert_int_eq(zkcfg_get_bool(snapshot, "w", "/v/@r", &truth), ZKCFG_ENODOC);
	ck_assert_int_eq(zkcfg_get_duration_ms(snapshot, "w", "/v/@r", &number), ZKCFG_ENODOC);
	ck_assert_int_eq(zkcfg_get_size_bytes(snapshot, "w", "/v/@r", &bytes), ZKCFG_ENODOC);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	segment_host_stop(&host);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(*(table)))

int main(void)
{
	Suite *suite = suite_create("value");
	TCase *tcase = tcase_create("value");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, NULL, drop);
	tcase_add_loop_test(tcase, int64_is_read_as_said, 0, COUNT(integers));
	tcase_add_loop_test(tcase, double_is_read_as_said, 0, COUNT(doubles));
	tcase_add_loop_test(tcase, bool_is_read_as_said, 0, COUNT(bools));
	tcase_add_loop_test(tcase, duration_is_read_as_said, 0, COUNT(durations));
	tcase_add_loop_test(tcase, size_is_read_as_said, 0, COUNT(sizes));
	tcase_add_test(tcase, locale_with_a_decimal_comma_changes_nothing);
	tcase_add_test(tcase, typed_getters_allocate_nothing);
	tcase_add_test(tcase, errors_of_the_path_come_first);
	tcase_add_test(tcase, getters_by_document_name_give_the_same);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
