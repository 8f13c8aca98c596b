/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/load.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define REQUEST_MOST_MS 20000L

struct load_client {
	struct load *load;
	pthread_t thread;
	_Atomic uint64_t requests;
	struct load_result result; /* of the thread, until it has ended */
};

struct load {
	char url[256];
	_Atomic bool ends;
	unsigned client_count;
	struct load_client clients[];
};

static size_t take_all(char *bytes, size_t size, size_t count, void *user)
{
	(void)bytes;
	(void)user;
	return size * count;
}

static void count_request(struct load_client *client, CURL *curl, CURLcode code, const char *reason)
{
	struct load_result *result = &client->result;
	long status = 0, connections = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connections);
	result->connections += (uint64_t)connections;
	result->requests++;
	atomic_fetch_add(&client->requests, 1);
	if (code == CURLE_OK && status == 200)
		return;
	if (result->failed++ == 0)
		snprintf(result->failure, sizeof(result->failure), "status %ld, %.200s", status,
			 *reason ? reason : curl_easy_strerror(code));
}

/* Anew for each request: libcurl gives up when it sent five again since the last reset, whatever came between. */
static void set_up(CURL *curl, const struct load_client *client, char *reason)
{
	reason[0] = '\0';
	curl_easy_reset(curl); /* connections stay */
	curl_easy_setopt(curl, CURLOPT_URL, client->load->url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, REQUEST_MOST_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_all);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
}

static void *run_client(void *argument)
{
	struct load_client *client = argument;
	char reason[CURL_ERROR_SIZE];
	CURL *curl = curl_easy_init();

	while (!atomic_load(&client->load->ends)) {
		set_up(curl, client, reason);
		count_request(client, curl, curl_easy_perform(curl), reason);
	}
	curl_easy_cleanup(curl);
	return NULL;
}

struct load *load_begin(const char *url, unsigned clients)
{
	struct load *load = calloc(1, sizeof(*load) + clients * sizeof(load->clients[0]));

	ck_assert_ptr_nonnull(load);
	ck_assert_int_eq(curl_global_init(CURL_GLOBAL_ALL), 0);
	ck_assert_uint_lt((size_t)snprintf(load->url, sizeof(load->url), "%s", url), sizeof(load->url));
	load->client_count = clients;
	for (unsigned i = 0; i < clients; i++) {
		load->clients[i].load = load;
		ck_assert_int_eq(
			pthread_create(&load->clients[i].thread, NULL, run_client, &load->clients[i]), 0);
	}
	return load;
}

int load_has_begun(const struct load *load)
{
	for (unsigned i = 0; i < load->client_count; i++)
		if (atomic_load(&load->clients[i].requests) == 0)
			return 0;
	return 1;
}

void load_end(struct load *load, struct load_result *result)
{
	*result = (struct load_result){ 0 };
	atomic_store(&load->ends, true);
	for (unsigned i = 0; i < load->client_count; i++) {
		const struct load_result *one = &load->clients[i].result;

		pthread_join(load->clients[i].thread, NULL);
		result->requests += one->requests;
		result->failed += one->failed;
		result->connections += one->connections;
		if (one->failed > 0 && result->failure[0] == '\0')
			strcpy(result->failure, one->failure);
	}
	free(load);
}
