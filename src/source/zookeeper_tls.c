/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifdef HAVE_ZOOKEEPER_INIT_SSL
#define HAVE_OPENSSL_H /* the client's own word for it: its header declares zookeeper_init_ssl() then */
#endif

#include "source/zookeeper_tls.h"

#include <errno.h>

#ifndef HAVE_ZOOKEEPER_INIT_SSL

int zookeeper_tls_check(const struct zookeeper_tls *tls, struct message *message)
{
	(void)tls;
	message_set(message, "the ZooKeeper client library has no TLS");
	return -ENOTSUP;
}

zhandle_t *zookeeper_tls_init(const char *hosts, const struct zookeeper_tls *tls, watcher_fn watcher,
			      int session_timeout_ms, void *context, log_callback_fn log,
			      struct message *message)
{
	(void)hosts;
	(void)watcher;
	(void)session_timeout_ms;
	(void)context;
	(void)log;
	errno = -zookeeper_tls_check(tls, message);
	return NULL;
}

#else

#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "source/secret.h"

/*
 * Besides ca_file the client would trust every CA that the machine does, and it
 * compares no names: anybody's certificate would do. It calls this for that; of
 * two with the name, the program's is found before the library's. Nothing else
 * in these programs calls it.
 */
__attribute__((visibility("default"))) int SSL_CTX_set_default_verify_paths(SSL_CTX *context)
{
	(void)context;
	return 1;
}

/* zookeeper_init_ssl() takes its list apart with strtok(), which has one state for all threads. */
static pthread_mutex_t tls_strtok_lock = PTHREAD_MUTEX_INITIALIZER;

/* Why the last call into OpenSSL failed. */
static const char *tls_reason(void)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason;

	if (error == 0)
		return errno != 0 ? strerror(errno) : "the connection was closed";
	if (ERR_SYSTEM_ERROR(error))
		return strerror((int)ERR_GET_REASON(error));
	reason = ERR_reason_error_string(error);
	return reason ? reason : "unknown error of OpenSSL";
}

/* --- files ------------------------------------------------------------------ */

static int tls_check_readable(const char *option, const char *file, struct message *message)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), err = errno;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	message_set(message, "%s %.256s cannot be read: %s", option, file, strerror(err));
	return -err;
}

struct tls_password {
	const char *text; /* NULL: none */
	bool asked;
};

/* Without this, OpenSSL would ask on the terminal. */
static int tls_give_password(char *bytes, int size, int writing, void *user)
{
	struct tls_password *password = user;
	size_t length = password->text ? strlen(password->text) : 0;

	(void)writing;
	password->asked = true;
	if (!password->text || length > (size_t)size)
		return -1;
	memcpy(bytes, password->text, length);
	return (int)length;
}

static void tls_refuse_key(const struct zookeeper_tls *tls, const struct tls_password *password,
			   struct message *message)
{
	if (password->asked && !password->text)
		message_set(message,
			    "key_file %.256s is encrypted; expected key_password_file as well, or a key that "
			    "is not",
			    tls->key_file);
	else if (password->asked)
		message_set(
			message,
			"key_file %.200s cannot be read with the password of key_password_file %.200s: %s",
			tls->key_file, tls->key_password_file, tls_reason());
	else
		message_set(message, "key_file %.256s holds no private key in PEM format: %s", tls->key_file,
			    tls_reason());
}

static EVP_PKEY *tls_read_key(const struct zookeeper_tls *tls, struct message *message)
{
	struct tls_password password = { 0 };
	char *text;
	EVP_PKEY *key = NULL;
	FILE *file;

	if (zookeeper_key_password_read(tls, &text, message) < 0)
		return NULL;
	password.text = text;
	file = fopen(tls->key_file, "re");
	if (file) {
		key = PEM_read_PrivateKey(file, NULL, tls_give_password, &password);
		fclose(file);
	}
	if (!key)
		tls_refuse_key(tls, &password, message);
	secret_free(text);
	return key;
}

static int tls_take_key(SSL_CTX *context, const struct zookeeper_tls *tls, struct message *message)
{
	EVP_PKEY *key = tls_read_key(tls, message);
	int err = 0;

	if (!key)
		return -EINVAL;
	if (X509_check_private_key(SSL_CTX_get0_certificate(context), key) != 1) {
		message_set(message,
			    "key_file %.200s is not the private key of the certificate in cert_file %.200s",
			    tls->key_file, tls->cert_file);
		err = -EINVAL;
	} else if (SSL_CTX_use_PrivateKey(context, key) != 1) {
		message_set(message, "key_file %.256s cannot be used: %s", tls->key_file, tls_reason());
		err = -EINVAL;
	}
	EVP_PKEY_free(key);
	return err;
}

static int tls_take_files(SSL_CTX *context, const struct zookeeper_tls *tls, struct message *message)
{
	int err;

	err = tls_check_readable("ca_file", tls->ca_file, message);
	if (err == 0)
		err = tls_check_readable("cert_file", tls->cert_file, message);
	if (err == 0)
		err = tls_check_readable("key_file", tls->key_file, message);
	if (err < 0)
		return err;
	if (SSL_CTX_load_verify_locations(context, tls->ca_file, NULL) != 1) {
		message_set(message, "ca_file %.256s holds no certificates in PEM format: %s", tls->ca_file,
			    tls_reason());
		return -EINVAL;
	}
	if (SSL_CTX_use_certificate_chain_file(context, tls->cert_file) != 1) {
		message_set(message, "cert_file %.256s holds no certificate in PEM format: %s",
			    tls->cert_file, tls_reason());
		return -EINVAL;
	}
	return tls_take_key(context, tls, message);
}

/* What the client will have, but for the password, in *context. */
static int tls_new_context(const struct zookeeper_tls *tls, SSL_CTX **context, struct message *message)
{
	int err;

	/* Handles may still be closing when the process ends: what their threads use is not to be torn down. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
	ERR_clear_error();
	*context = SSL_CTX_new(TLS_client_method());
	if (!*context) {
		message_set(message, "no TLS: %s", tls_reason());
		return -ENOMEM;
	}
	SSL_CTX_set_verify(*context, SSL_VERIFY_PEER, NULL);
	err = tls_take_files(*context, tls, message);
	if (err < 0) {
		SSL_CTX_free(*context);
		ERR_clear_error();
	}
	return err;
}

int zookeeper_tls_check(const struct zookeeper_tls *tls, struct message *message)
{
	SSL_CTX *context;
	int err = tls_new_context(tls, &context, message);

	if (err == 0)
		SSL_CTX_free(context);
	return err;
}

/* --- a handshake ------------------------------------------------------------- */

struct tls_try {
	const struct zookeeper_tls *tls;
	SSL_CTX *context;
	const char *host; /* with its port */
	int64_t deadline_ns;
	int wait_ms;
	struct message *message;
};

static bool tls_await(const struct tls_try *try, int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	for (;;) {
		int64_t left_ns = try->deadline_ns - clock_monotonic_ns();
		int ready;

		if (left_ns <= 0)
			return false;
		ready = poll(&poll_fd, 1, (int)(left_ns / CLOCK_NS_PER_MS) + 1);
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

/* A connected descriptor, or -1: nobody is there. */
static int tls_connect(const struct tls_try *try, const struct addrinfo *address)
{
	int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
			address->ai_protocol);
	int error = 0;
	socklen_t length = sizeof(error);

	if (fd < 0)
		return -1;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS && tls_await(try, fd, POLLOUT) &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0)
		return fd;
	close(fd);
	return -1;
}

/*
 * Whether an operation of this outcome is to be tried once more. If not,
 * *problem is SSL_ERROR_..., or SSL_ERROR_NONE when the time is over.
 */
static bool tls_again(const struct tls_try *try, SSL *ssl, int outcome, int *problem)
{
	*problem = SSL_get_error(ssl, outcome);
	if (*problem != SSL_ERROR_WANT_READ && *problem != SSL_ERROR_WANT_WRITE)
		return false;
	if (tls_await(try, SSL_get_fd(ssl), *problem == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT))
		return true;
	*problem = SSL_ERROR_NONE;
	return false;
}

/* It is an alert of the other side: of those, what we presented is the reason of nearly all. */
static bool tls_is_alert(void)
{
	unsigned long error = ERR_peek_last_error();

	return error != 0 && ERR_GET_LIB(error) == ERR_LIB_SSL &&
	       ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET;
}

static int tls_refuse(const struct tls_try *try, const SSL *ssl)
{
	long verified = SSL_get_verify_result(ssl);

	if (verified != X509_V_OK)
		message_set(try->message,
			    "the certificate of %s is not one that ca_file %.200s vouches for: %s", try->host,
			    try->tls->ca_file, X509_verify_cert_error_string(verified));
	else if (tls_is_alert())
		message_set(try->message,
			    "%s does not accept us with the certificate of cert_file %.200s: %s", try->host,
			    try->tls->cert_file, tls_reason());
	else
		message_set(try->message,
			    "no TLS with %s: %s; expected a port with TLS (a server's secureClientPort)",
			    try->host, tls_reason());
	return -EPROTO;
}

/*
 * With TLS 1.3 the server looks at our certificate when the handshake is over
 * for us: the answer to a question tells. What is answered, if anything, does
 * not matter.
 */
static int tls_ask(const struct tls_try *try, SSL *ssl)
{
	char answer[64];
	int outcome, problem = SSL_ERROR_NONE;

	do {
		outcome = SSL_write(ssl, "ruok", 4);
	} while (outcome <= 0 && tls_again(try, ssl, outcome, &problem));
	if (outcome > 0)
		do {
			outcome = SSL_read(ssl, answer, sizeof(answer));
		} while (outcome <= 0 && tls_again(try, ssl, outcome, &problem));
	return outcome <= 0 && problem == SSL_ERROR_SSL && tls_is_alert() ? tls_refuse(try, ssl) : 0;
}

static int tls_shake_hands(const struct tls_try *try, SSL *ssl)
{
	int outcome, problem = SSL_ERROR_NONE;

	do {
		ERR_clear_error();
		errno = 0;
		outcome = SSL_connect(ssl);
	} while (outcome <= 0 && tls_again(try, ssl, outcome, &problem));
	if (outcome > 0)
		return tls_ask(try, ssl);
	if (problem != SSL_ERROR_NONE)
		return tls_refuse(try, ssl);
	message_set(try->message, "%s takes connections, and has not answered with TLS in %d ms", try->host,
		    try->wait_ms);
	return -ETIMEDOUT;
}

/* 0: all is well; 1: nobody is there; or a negative errno and the message. */
static int tls_try_address(struct tls_try *try, const struct addrinfo *address)
{
	int fd, err = -ENOMEM;
	SSL *ssl;

	try->deadline_ns = clock_monotonic_ns() + try->wait_ms * CLOCK_NS_PER_MS;
	fd = tls_connect(try, address);
	if (fd < 0)
		return 1;
	ssl = SSL_new(try->context);
	if (ssl && SSL_set_fd(ssl, fd) == 1)
		err = tls_shake_hands(try, ssl);
	else
		message_set(try->message, "out of memory");
	SSL_free(ssl);
	ERR_clear_error();
	close(fd);
	return err;
}

/* host:port, where the host may have colons, too. As tls_try_address(). */
static int tls_try_host(struct tls_try *try, char *host)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char name[300], *port = strrchr(host, ':');
	int err = 1;

	snprintf(name, sizeof(name), "%.250s", host);
	try->host = name;
	*port++ = '\0';
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return 1;
	for (const struct addrinfo *address = found; address && err != 0; address = address->ai_next) {
		int result = tls_try_address(try, address);

		if (result <= 0)
			err = result;
	}
	freeaddrinfo(found);
	return err;
}

/* One that is as it should be is enough. As tls_try_address(). */
static int tls_try_hosts(struct tls_try *try, const char *hosts)
{
	char *copy = strdup(hosts), *rest = copy, *host;
	int err = 1;

	if (!copy) {
		message_set(try->message, "out of memory");
		return -ENOMEM;
	}
	while (err != 0 && (host = strsep(&rest, ",")) != NULL) {
		int result = tls_try_host(try, host);

		if (result <= 0)
			err = result;
	}
	free(copy);
	return err;
}

/* --- the handle --------------------------------------------------------------- */

/* "ca,cert,key" or "ca,cert,key,password". Ends with secret_free(). */
static int tls_list(const struct zookeeper_tls *tls, char **list, struct message *message)
{
	char *password;
	int err = zookeeper_key_password_read(tls, &password, message);

	if (err < 0)
		return err;
	if (asprintf(list, "%s,%s,%s%s%s", tls->ca_file, tls->cert_file, tls->key_file, password ? "," : "",
		     password ? password : "") < 0) {
		message_set(message, "out of memory");
		err = -ENOMEM;
	}
	secret_free(password);
	return err;
}

static int tls_try_servers(const char *hosts, const struct zookeeper_tls *tls, int session_timeout_ms,
			   struct message *message)
{
	struct tls_try try = { .tls = tls, .wait_ms = session_timeout_ms / 3, .message = message };
	int err = tls_new_context(tls, &try.context, message);

	if (err < 0)
		return err;
	err = tls_try_hosts(&try, hosts);
	SSL_CTX_free(try.context);
	return err < 0 ? err : 0;
}

zhandle_t *zookeeper_tls_init(const char *hosts, const struct zookeeper_tls *tls, watcher_fn watcher,
			      int session_timeout_ms, void *context, log_callback_fn log,
			      struct message *message)
{
	zhandle_t *zh = NULL;
	char *list;
	int err = tls_try_servers(hosts, tls, session_timeout_ms, message);

	OPENSSL_thread_stop(); /* this thread only waits from now on */
	if (err == 0)
		err = tls_list(tls, &list, message);
	if (err < 0) {
		errno = -err;
		return NULL;
	}
	pthread_mutex_lock(&tls_strtok_lock);
	zh = zookeeper_init_ssl(hosts, list, watcher, session_timeout_ms, NULL, context,
				ZOO_NO_LOG_CLIENTENV);
	err = errno;
	pthread_mutex_unlock(&tls_strtok_lock);
	secret_free(list);
	if (zh)
		zoo_set_log_callback(zh, log);
	else
		message_set(message, "%.256s cannot be resolved or connected to: %s", hosts, strerror(err));
	errno = err;
	return zh;
}

#endif
