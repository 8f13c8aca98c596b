/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/render.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/segment_host.h"

#define SHEET(body)                                                                      \
	"<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'" \
	" xmlns:exsl='http://exslt.org/common' xmlns:str='http://exslt.org/strings'"     \
	" extension-element-prefixes='exsl str'>\n"                                      \
	"<xsl:output method='text'/>\n"                                                  \
	"<xsl:param name='set'/><xsl:param name='seq'/><xsl:param name='host'/>\n" body "</xsl:stylesheet>"

static struct segment_host host;
static struct zkcfg *cfg;
static struct zkcfg_snapshot *snapshot;
static struct message message;
static struct buffer text;
static char directory[64];

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	segment_host_publish(&host, "a.xml", "<a port=\"80\"><name>one</name></a>");
	segment_host_publish(&host, "b.xml", "<b port=\"81\"/>");
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	strcpy(directory, "/tmp/zkcfg-render-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	message.text[0] = '\0';
	text = (struct buffer){ 0 };
}

static void stop(void)
{
	buffer_free(&text);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	segment_host_stop(&host);
	segment_host_remove(directory);
}

static const char *put(const char *name, const char *bytes)
{
	static char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(bytes, file);
	ck_assert_int_eq(fclose(file), 0);
	return path;
}

static bool all_wanted(const void *user, const char *document)
{
	(void)user, (void)document;
	return true;
}

static bool only_b(const void *user, const char *document)
{
	(void)user;
	return strcmp(document, "b.xml") == 0;
}

static int apply_to(const char *sheet, const char *document, bool (*is_wanted)(const void *, const char *))
{
	struct render_input input = {
		.set = "app", .snapshot = snapshot, .document = document, .is_wanted = is_wanted
	};
	struct render *render = NULL;
	int err = render_load(put("sheet.xsl", sheet), &render, &message);

	buffer_clear(&text);
	if (err == 0)
		err = render_apply(render, &input, &text, &message);
	render_free(render);
	buffer_append(&text, "", 1);
	return err;
}

static int apply(const char *sheet)
{
	return apply_to(sheet, "a.xml", all_wanted);
}

static void refuse(const char *sheet, const char *expected)
{
	message.text[0] = '\0';
	ck_assert_int_eq(apply(sheet), -EINVAL);
	ck_assert_msg(strstr(message.text, expected), "expected \"%s\" in: %s", expected, message.text);
	ck_assert_str_eq(text.bytes, "");
}

START_TEST(document_becomes_text)
{
	ck_assert_msg(apply(SHEET("<xsl:template match='/'>listen <xsl:value-of select='/a/@port'/>;"
				  "</xsl:template>")) == 0,
		      "%s", message.text);
	ck_assert_str_eq(text.bytes, "listen 80;");
}
END_TEST

START_TEST(set_seq_and_host_are_parameters)
{
	char name[256] = "", expected[300];

	gethostname(name, sizeof(name) - 1);
	snprintf(expected, sizeof(expected), "app 2 %s", name);
	ck_assert_int_eq(apply(SHEET("<xsl:template match='/'><xsl:value-of "
				     "select=\"concat($set, ' ', $seq, ' ', $host)\"/></xsl:template>")),
			 0);
	ck_assert_str_eq(text.bytes, expected);
}
END_TEST

START_TEST(all_documents_come_as_a_tree_by_name)
{
	static const char sheet[] = SHEET(
		"<xsl:template match='/'><xsl:value-of select=\"concat(/set/@name, /set/@seq)\"/>"
		"<xsl:for-each select='/set/document'>|<xsl:value-of "
		"select=\"concat(@name, ' ', @revision, ' ', */@port)\"/></xsl:for-each></xsl:template>");

	ck_assert_int_eq(apply_to(sheet, NULL, all_wanted), 0);
	ck_assert_str_eq(text.bytes, "app2|a.xml 1 80|b.xml 2 81");
	ck_assert_int_eq(apply_to(sheet, NULL, only_b), 0);
	ck_assert_str_eq(text.bytes, "app2|b.xml 2 81");
}
END_TEST

START_TEST(document_that_is_not_there_is_named)
{
	ck_assert_int_eq(apply_to(SHEET(""), "c.xml", all_wanted), -ENOENT);
	ck_assert_ptr_nonnull(strstr(message.text, "no document c.xml (seq 2)"));
}
END_TEST

START_TEST(extensions_without_side_effects_are_there)
{
	ck_assert_int_eq(apply(SHEET("<xsl:template match='/'><xsl:for-each "
				     "select=\"str:tokenize('x,y', ',')\">[<xsl:value-of select='.'/>]"
				     "</xsl:for-each></xsl:template>")),
			 0);
	ck_assert_str_eq(text.bytes, "[x][y]");
}
END_TEST

START_TEST(files_beside_the_stylesheet_may_be_read)
{
	ck_assert_int_eq(mkdir(strcat(strcpy((char[128]){ 0 }, directory), "/lib"), 0700), 0);
	put("lib/names.xml", "<n>from a file</n>");
	put("part.xsl", SHEET("<xsl:template name='part'>imported </xsl:template>"));
	ck_assert_msg(apply(SHEET("<xsl:include href='part.xsl'/><xsl:template match='/'>"
				  "<xsl:call-template name='part'/><xsl:value-of "
				  "select=\"document('lib/names.xml')/n\"/></xsl:template>")) == 0,
		      "%s", message.text);
	ck_assert_str_eq(text.bytes, "imported from a file");
}
END_TEST

START_TEST(files_elsewhere_are_refused)
{
	char sheet[2048], link[128], outside[] = "/tmp/zkcfg-outside-XXXXXX";
	int fd = mkstemp(outside);

	ck_assert_int_eq(write(fd, "<n/>", 4), 4);
	close(fd);
	snprintf(link, sizeof(link), "%s/link.xml", directory);
	ck_assert_int_eq(symlink(outside, link), 0);
	for (int i = 0; i < 4; i++) {
		const char *urls[] = { outside, "../../etc/hostname", "link.xml", "none.xml" };

		snprintf(sheet, sizeof(sheet),
			 SHEET("<xsl:template match='/'>x<xsl:copy-of select=\"document('%s')\"/>"
			       "</xsl:template>"),
			 urls[i]);
		refuse(sheet, "cannot be read: only files below /tmp/zkcfg-render-");
	}
	snprintf(sheet, sizeof(sheet), SHEET("<xsl:include href='%s'/>"), outside);
	refuse(sheet, "cannot be read: only files below");
	refuse(SHEET("<xsl:template match='/'><xsl:copy-of select=\"document('/etc/passwd')\"/>"
		     "</xsl:template>"),
	       "/etc/passwd cannot be read");
	unlink(outside);
}
END_TEST

/* Whether somebody called on this port since it was asked last. */
static bool was_called(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

START_TEST(network_is_not_asked)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char sheet[2048];

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	getsockname(listener, (struct sockaddr *)&address, &size);
	snprintf(sheet, sizeof(sheet),
		 SHEET("<xsl:template match='/'><xsl:copy-of select=\"document('http://127.0.0.1:%d/x')\"/>"
		       "</xsl:template>"),
		 ntohs(address.sin_port));
	refuse(sheet, "sheet.xsl");
	snprintf(sheet, sizeof(sheet), SHEET("<xsl:import href='http://127.0.0.1:%d/x'/>"),
		 ntohs(address.sin_port));
	refuse(sheet, "sheet.xsl");
	snprintf(sheet, sizeof(sheet),
		 "<!DOCTYPE xsl:stylesheet SYSTEM 'http://127.0.0.1:%d/x'>" SHEET(
			 "<xsl:template match='/'>y</xsl:template>"),
		 ntohs(address.sin_port));
	ck_assert_int_eq(apply(sheet), 0);
	ck_assert(!was_called(listener));
	close(listener);
}
END_TEST

START_TEST(nothing_is_written)
{
	char sheet[2048], inside[128];

	snprintf(inside, sizeof(inside), "%s/made", directory);
	for (int i = 0; i < 2; i++) {
		const char *path = i == 0 ? inside : "/tmp/zkcfg-render-made";

		snprintf(sheet, sizeof(sheet),
			 SHEET("<xsl:template match='/'><exsl:document href='%s'>x</exsl:document>"
			       "</xsl:template>"),
			 path);
		refuse(sheet, " refused");
		ck_assert_int_lt(access(path, F_OK), 0);
		snprintf(sheet, sizeof(sheet),
			 "<xsl:stylesheet version='1.1' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>"
			 "<xsl:template match='/'><xsl:document href='%s'>x</xsl:document></xsl:template>"
			 "</xsl:stylesheet>",
			 path);
		refuse(sheet, " refused");
		ck_assert_int_lt(access(path, F_OK), 0);
	}
}
END_TEST

START_TEST(mistakes_are_told_with_file_and_line)
{
	refuse("<xsl:stylesheet", "sheet.xsl:1: ");
	refuse(SHEET("<xsl:template match='/'>\n<xsl:value-of select='(('/></xsl:template>"),
	       "sheet.xsl:5: ");
	refuse(SHEET("<xsl:template match='/'>\n\n<xsl:call-template name='none'/></xsl:template>"),
	       "sheet.xsl:6: ");
	refuse(SHEET("<xsl:template match='/'>\n<xsl:value-of select='nothing()'/></xsl:template>"),
	       "function");
	refuse("<a/>", "sheet.xsl");
}
END_TEST

START_TEST(stylesheet_may_refuse_what_it_is_given)
{
	refuse(SHEET("<xsl:template match='/'>half<xsl:message terminate='yes'>no upstream is left"
		     "</xsl:message></xsl:template>"),
	       "no upstream is left");
	ck_assert_int_eq(apply(SHEET("<xsl:template match='/'>whole<xsl:message>by the way</xsl:message>"
				     "</xsl:template>")),
			 0);
	ck_assert_str_eq(text.bytes, "whole");
}
END_TEST

START_TEST(stylesheet_without_an_end_is_ended)
{
	int64_t began_ms = segment_host_now_ms();

	refuse(SHEET("<xsl:template match='/' name='t'><xsl:call-template name='t'/></xsl:template>"),
	       "sheet.xsl");
	refuse(SHEET("<xsl:template match='/' name='t'><xsl:param name='n' select='60'/>"
		     "<xsl:if test='$n &gt; 0'><xsl:call-template name='t'><xsl:with-param name='n' "
		     "select='$n - 1'/></xsl:call-template><xsl:call-template name='t'><xsl:with-param "
		     "name='n' select='$n - 1'/></xsl:call-template></xsl:if></xsl:template>"),
	       "limit");
	ck_assert_int_lt(segment_host_now_ms() - began_ms, 40000);
}
END_TEST

START_TEST(file_that_cannot_be_read_is_named)
{
	struct render *render;

	ck_assert_int_eq(render_load("/tmp/zkcfg-none.xsl", &render, &message), -ENOENT);
	ck_assert_ptr_nonnull(
		strstr(message.text, "/tmp/zkcfg-none.xsl: the stylesheet cannot be read: No such"));
}
END_TEST

START_TEST(checksum_is_of_all_files_that_were_loaded)
{
	static const char sheet[] = SHEET("<xsl:include href='part.xsl'/>");
	uint64_t sums[3];

	for (int i = 0; i < 3; i++) {
		struct render *render;

		put("part.xsl", i == 2 ? SHEET("<!--2-->") : SHEET("<!--1-->"));
		ck_assert_int_eq(render_load(put("sheet.xsl", sheet), &render, &message), 0);
		sums[i] = render_checksum(render);
		render_free(render);
	}
	ck_assert_uint_eq(sums[0], sums[1]);
	ck_assert_uint_ne(sums[1], sums[2]);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("render");
	Suite *suite = suite_create("render");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, document_becomes_text);
	tcase_add_test(tcase, set_seq_and_host_are_parameters);
	tcase_add_test(tcase, all_documents_come_as_a_tree_by_name);
	tcase_add_test(tcase, document_that_is_not_there_is_named);
	tcase_add_test(tcase, extensions_without_side_effects_are_there);
	tcase_add_test(tcase, files_beside_the_stylesheet_may_be_read);
	tcase_add_test(tcase, files_elsewhere_are_refused);
	tcase_add_test(tcase, network_is_not_asked);
	tcase_add_test(tcase, nothing_is_written);
	tcase_add_test(tcase, mistakes_are_told_with_file_and_line);
	tcase_add_test(tcase, stylesheet_may_refuse_what_it_is_given);
	tcase_add_test(tcase, stylesheet_without_an_end_is_ended);
	tcase_add_test(tcase, file_that_cannot_be_read_is_named);
	tcase_add_test(tcase, checksum_is_of_all_files_that_were_loaded);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
