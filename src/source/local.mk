# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libsource.la
libsource_la_SOURCES = \
	%D%/apollo.c %D%/apollo.h \
	%D%/apollo_answer.c %D%/apollo_answer.h \
	%D%/apollo_namespace.c %D%/apollo_namespace.h \
	%D%/apollo_request.c %D%/apollo_request.h \
	%D%/apollo_target.c \
	%D%/audit.c %D%/audit.h \
	%D%/configmap.c %D%/configmap.h \
	%D%/etcd.c %D%/etcd.h \
	%D%/etcd_answer.c %D%/etcd_answer.h \
	%D%/etcd_ask.c %D%/etcd_ask.h \
	%D%/etcd_model.c %D%/etcd_model.h \
	%D%/etcd_target.c \
	%D%/etcd_write.c \
	%D%/file.c %D%/file.h \
	%D%/file_target.c \
	%D%/folder.c %D%/folder.h \
	%D%/follower.c %D%/follower.h \
	%D%/lane.c %D%/lane.h \
	%D%/lookout.c %D%/lookout.h \
	%D%/pace.c %D%/pace.h \
	%D%/registry.c %D%/source.h \
	%D%/requests.c %D%/requests.h \
	%D%/round.c %D%/round.h \
	%D%/secret.c %D%/secret.h \
	%D%/subscription.c %D%/subscription.h \
	%D%/waiting.c %D%/waiting.h \
	%D%/znode.c %D%/znode.h \
	%D%/zookeeper.c %D%/zookeeper.h \
	%D%/zookeeper_handle.c %D%/zookeeper_handle.h \
	%D%/zookeeper_session.c %D%/zookeeper_session.h \
	%D%/zookeeper_target.c \
	%D%/zookeeper_tls.c %D%/zookeeper_tls.h \
	%D%/zookeeper_write.c
libsource_la_LIBADD = $(JANSSON_LIBS) $(ZOOKEEPER_LIBS) $(OPENSSL_LIBS) $(CRYPTO_LIBS) $(EVENT_LIBS)
