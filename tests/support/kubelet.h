/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The kubelet, as far as a volume of a ConfigMap sees of it: the steps of its AtomicWriter, in its order. */
#ifndef ZKCFG_TESTS_SUPPORT_KUBELET_H
#define ZKCFG_TESTS_SUPPORT_KUBELET_H

#include <stddef.h>

struct kubelet_file {
	const char *name; /* "a.xml"; of items with a path: "sub/a.xml" */
	const void *bytes;
	size_t size_bytes;
};

/*
 * Put a version in force: a new directory with a time in its name, all files in
 * it, ..data_tmp to it, that renamed to ..data, the links of the keys made and
 * removed, the old directory removed. number: another one each time.
 */
void kubelet_swap(const char *volume, unsigned int number, const struct kubelet_file *files, size_t count);

#endif
