/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates for a test, made by the openssl command in a directory of their own:
 * ca.pem and other-ca.pem, who knows nothing of the others; server.pem of 127.0.0.1,
 * elsewhere.pem of the name elsewhere.test, and client.pem, by ca.pem; a .key each.
 */
#ifndef ZKCFG_TESTS_SUPPORT_CERTIFICATES_H
#define ZKCFG_TESTS_SUPPORT_CERTIFICATES_H

/* For an unchecked fixture: once for a test case, which then has its own processes. */
void certificates_make(void);
void certificates_remove(void);

/* The path of one of them; to be freed. */
char *certificates_path(const char *name);

#endif
