/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A file with a secret in it, as the options of URIs that end in _file name one. */
#ifndef ZKCFG_TESTS_SUPPORT_SECRET_H
#define ZKCFG_TESTS_SUPPORT_SECRET_H

#define SECRET_PATH_BYTES 64

/* Make one that only its owner may read; the test removes it. */
void secret_make(char path[SECRET_PATH_BYTES], const char *text);

#endif
