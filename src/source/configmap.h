/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ConfigMap source: a volume as Kubernetes mounts it, of a ConfigMap, a
 * Secret, or several of them (projected).
 *
 *     configmap:///directory[?mode=...&interval=...&audit=...]
 *
 *     directory/..2026_11_23_10_00_00.123/app.xml     a version, whole
 *     directory/..data -> ..2026_11_23_10_00_00.123   which one is in force
 *     directory/app.xml -> ..data/app.xml             what programs open
 *
 * The kubelet makes a new directory, and puts it in force by renaming a symbolic
 * link onto ..data. So all of a version is read through the directory that
 * ..data leads to, and read again if ..data has moved meanwhile: what is told
 * between two settled() is one version and nothing of another. Documents are the
 * files in it; what begins with ".." is none.
 *
 * A volume that is mounted with subPath has no ..data and never changes; it is
 * refused with that reason.
 */
#ifndef ZKCFG_SOURCE_CONFIGMAP_H
#define ZKCFG_SOURCE_CONFIGMAP_H

#include "source/source.h"

extern const struct source_ops configmap_source;

#endif
