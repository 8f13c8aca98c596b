/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/network.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_INTERFACE "host0"
/* More than a frame has. */
#define FRAME_BYTES 2048
#define MESSAGE_BYTES 512

/* A host: [NETWORK_TO_SERVER] is the server's, [NETWORK_TO_CLIENT] the client's. */
struct host {
	const char *address;
	const char *wire; /* the wire's end of its veth */
	unsigned char hardware[ETH_ALEN];
};

static const struct host hosts[2] = {
	[NETWORK_TO_SERVER] = { NETWORK_SERVER, "server0", { 0x02, 0, 0, 0x77, 0, 1 } },
	[NETWORK_TO_CLIENT] = { NETWORK_CLIENT, "client0", { 0x02, 0, 0, 0x77, 0, 2 } },
};

struct network {
	int namespaces[2]; /* of the hosts */
	int ends[2];	   /* sockets on the wire's ends; [NETWORK_TO_SERVER]: the one to the server's host */
	int wake;
	pthread_t thread;
	pthread_mutex_t lock;
	/* with the lock: */
	bool stopping;
	unsigned int percent[2];
	uint64_t passed[2], lost[2];
	uint64_t random;
	char fault[128]; /* "": none */
};

/* Why it cannot be made. Returns -1. */
__attribute__((format(printf, 3, 4))) static int refuse(char *reason, size_t reason_bytes, const char *format,
							...)
{
	int error_number = errno;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(reason, reason_bytes, format, arguments);
	va_end(arguments);
	if (length >= 0 && (size_t)length < reason_bytes)
		snprintf(reason + length, reason_bytes - (size_t)length, ": %s", strerror(error_number));
	return -1;
}

/* --- namespaces ------------------------------------------------------------ */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return written;
}

/* Rights over namespaces of one's own, where one has none over others. Users stay who they are. */
static bool enter_user_namespace(void)
{
	char uid_map[32], gid_map[32];

	snprintf(uid_map, sizeof(uid_map), "%u %u 1", (unsigned)geteuid(), (unsigned)geteuid());
	snprintf(gid_map, sizeof(gid_map), "%u %u 1", (unsigned)getegid(), (unsigned)getegid());
	return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/uid_map", uid_map) && write_file("/proc/self/gid_map", gid_map);
}

static int new_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
}

/* One for each host, and one for the wire, in which the process is left. */
static int make_namespaces(struct network *network, char *reason, size_t reason_bytes)
{
	int *at = network->namespaces;

	at[NETWORK_TO_SERVER] = new_namespace();
	if (at[NETWORK_TO_SERVER] < 0 && errno == EPERM && enter_user_namespace())
		at[NETWORK_TO_SERVER] = new_namespace();
	if (at[NETWORK_TO_SERVER] < 0)
		return refuse(
			reason, reason_bytes,
			"no network namespace can be made, neither with the rights there are nor in a user "
			"namespace");
	at[NETWORK_TO_CLIENT] = new_namespace();
	if (at[NETWORK_TO_CLIENT] < 0 || unshare(CLONE_NEWNET) < 0)
		return refuse(reason, reason_bytes, "no second and third network namespace can be made");
	return 0;
}

/* --- veths ------------------------------------------------------------------- */

struct request {
	union {
		struct nlmsghdr head;
		char bytes[MESSAGE_BYTES];
	};
};

static struct rtattr *request_end(struct request *request)
{
	return (struct rtattr *)(void *)(request->bytes + NLMSG_ALIGN(request->head.nlmsg_len));
}

static struct rtattr *request_add(struct request *request, unsigned short type, const void *data,
				  size_t bytes)
{
	struct rtattr *attribute = request_end(request);

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(bytes);
	if (bytes > 0)
		memcpy(RTA_DATA(attribute), data, bytes);
	request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + (uint32_t)RTA_SPACE(bytes);
	return attribute;
}

/* What was added since `outer` is inside of it. */
static void request_nest(struct request *request, struct rtattr *outer)
{
	outer->rta_len = (unsigned short)((char *)request_end(request) - (char *)outer);
}

/* 0, or -1 with errno. */
static int request_send(struct request *request)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char more[MESSAGE_BYTES];
	} answer = { .error.error = -EPROTO };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -1;
	if (send(fd, request, request->head.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		answer.error.error = -errno;
	close(fd);
	errno = -answer.error.error;
	return answer.error.error == 0 ? 0 : -1;
}

/* One end here, for the wire; the other one on its host. */
static int make_veth(const struct host *host, int host_namespace)
{
	struct request request = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
					     .nlmsg_type = RTM_NEWLINK,
					     .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE |
							    NLM_F_EXCL } };
	const struct ifinfomsg none = { .ifi_family = AF_UNSPEC };
	struct rtattr *info, *data, *peer;

	request_add(&request, IFLA_IFNAME, host->wire, strlen(host->wire) + 1);
	info = request_add(&request, IFLA_LINKINFO, NULL, 0);
	request_add(&request, IFLA_INFO_KIND, "veth", strlen("veth"));
	data = request_add(&request, IFLA_INFO_DATA, NULL, 0);
	peer = request_add(&request, VETH_INFO_PEER, &none, sizeof(none));
	request_add(&request, IFLA_IFNAME, HOST_INTERFACE, sizeof(HOST_INTERFACE));
	request_add(&request, IFLA_ADDRESS, host->hardware, ETH_ALEN);
	request_add(&request, IFLA_NET_NS_FD, &host_namespace, sizeof(host_namespace));
	request_nest(&request, peer);
	request_nest(&request, data);
	request_nest(&request, info);
	return request_send(&request);
}

/* --- interfaces ---------------------------------------------------------------- */

static struct ifreq interface(const char *name)
{
	struct ifreq asked = { 0 };

	snprintf(asked.ifr_name, sizeof(asked.ifr_name), "%s", name);
	return asked;
}

static void set_address(struct sockaddr *socket_address, const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text) };

	memcpy(socket_address, &address, sizeof(address));
}

static bool interface_up(int fd, const char *name)
{
	struct ifreq asked = interface(name);

	if (ioctl(fd, SIOCGIFFLAGS, &asked) < 0)
		return false;
	asked.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &asked) == 0;
}

/* Checksums are made here, and frames as large as a wire takes: they are copied as they are. */
static bool interface_plain(int fd, const char *name)
{
	struct ethtool_value off = { .cmd = ETHTOOL_STXCSUM, .data = 0 };
	struct ifreq asked = interface(name);

	asked.ifr_data = (char *)&off;
	return ioctl(fd, SIOCETHTOOL, &asked) == 0;
}

static bool interface_address(int fd, const char *name, const char *address)
{
	struct ifreq asked = interface(name);

	set_address(&asked.ifr_addr, address);
	if (ioctl(fd, SIOCSIFADDR, &asked) < 0)
		return false;
	set_address(&asked.ifr_netmask, "255.255.255.0");
	return ioctl(fd, SIOCSIFNETMASK, &asked) == 0;
}

static bool interface_neighbour(int fd, const char *name, const struct host *other)
{
	struct arpreq entry = { .arp_flags = ATF_PERM | ATF_COM, .arp_ha.sa_family = ARPHRD_ETHER };

	set_address(&entry.arp_pa, other->address);
	memcpy(entry.arp_ha.sa_data, other->hardware, ETH_ALEN);
	snprintf(entry.arp_dev, sizeof(entry.arp_dev), "%s", name);
	return ioctl(fd, SIOCSARP, &entry) == 0;
}

/* The process is on that host then. */
static int set_up_host(const struct network *network, enum network_way host, char *reason,
		       size_t reason_bytes)
{
	bool done;
	int fd;

	if (setns(network->namespaces[host], CLONE_NEWNET) < 0)
		return refuse(reason, reason_bytes, "a network namespace cannot be entered");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	done = fd >= 0 && interface_up(fd, "lo") && interface_plain(fd, HOST_INTERFACE) &&
	       interface_address(fd, HOST_INTERFACE, hosts[host].address) &&
	       interface_up(fd, HOST_INTERFACE) && interface_neighbour(fd, HOST_INTERFACE, &hosts[!host]);
	if (!done)
		refuse(reason, reason_bytes, "the interface with %s cannot be set up", hosts[host].address);
	if (fd >= 0)
		close(fd);
	return done ? 0 : -1;
}

/* A socket for all IPv4 frames that the host sends, and on which frames are sent to it. */
static int open_end(const struct host *host)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	at.sll_ifindex = (int)if_nametoindex(host->wire);
	if (interface_up(fd, host->wire) && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int set_up_wire(struct network *network, char *reason, size_t reason_bytes)
{
	for (int host = 0; host < 2; host++) {
		if (make_veth(&hosts[host], network->namespaces[host]) < 0)
			return refuse(reason, reason_bytes, "no pair of interfaces (veth) can be made");
		network->ends[host] = open_end(&hosts[host]);
		if (network->ends[host] < 0)
			return refuse(reason, reason_bytes, "no packet socket can be had on %s",
				      hosts[host].wire);
	}
	return 0;
}

/* --- the wire -------------------------------------------------------------------- */

static unsigned int draw_percent(struct network *network)
{
	network->random = network->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned int)((network->random >> 33) % 100);
}

/* One frame. false: there was none. With the lock, so that nothing passes any more once it is cut. */
static bool wire_pass(struct network *network, enum network_way way, unsigned char *frame)
{
	ssize_t got = recv(network->ends[!way], frame, FRAME_BYTES, MSG_TRUNC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (draw_percent(network) < network->percent[way]) {
		network->lost[way]++;
		return true;
	}
	if (got > ETH_FRAME_LEN)
		snprintf(network->fault, sizeof(network->fault), "a frame of %zd bytes is on the wire", got);
	else if (got < 0 || send(network->ends[way], frame, (size_t)got, MSG_DONTWAIT) != got)
		snprintf(network->fault, sizeof(network->fault), "the wire is broken: %s", strerror(errno));
	else
		network->passed[way]++;
	return network->fault[0] == '\0';
}

static void *wire_run(void *user)
{
	unsigned char frame[FRAME_BYTES];
	struct network *network = user;
	struct pollfd polls[3] = { { .fd = network->ends[0], .events = POLLIN },
				   { .fd = network->ends[1], .events = POLLIN },
				   { .fd = network->wake, .events = POLLIN } };

	pthread_mutex_lock(&network->lock);
	while (!network->stopping && network->fault[0] == '\0') {
		pthread_mutex_unlock(&network->lock);
		poll(polls, 3, -1);
		pthread_mutex_lock(&network->lock);
		while (wire_pass(network, NETWORK_TO_SERVER, frame) ||
		       wire_pass(network, NETWORK_TO_CLIENT, frame))
			;
	}
	pthread_mutex_unlock(&network->lock);
	return NULL;
}

void network_lose(struct network *network, enum network_way way, unsigned int percent)
{
	pthread_mutex_lock(&network->lock);
	network->percent[way] = percent;
	pthread_mutex_unlock(&network->lock);
}

void network_seed(struct network *network, uint64_t seed)
{
	pthread_mutex_lock(&network->lock);
	network->random = seed;
	pthread_mutex_unlock(&network->lock);
}

uint64_t network_passed(struct network *network, enum network_way way)
{
	uint64_t count;

	pthread_mutex_lock(&network->lock);
	count = network->passed[way];
	pthread_mutex_unlock(&network->lock);
	return count;
}

uint64_t network_lost(struct network *network, enum network_way way)
{
	uint64_t count;

	pthread_mutex_lock(&network->lock);
	count = network->lost[way];
	pthread_mutex_unlock(&network->lock);
	return count;
}

/* --- the whole ---------------------------------------------------------------------- */

static void network_close(struct network *network)
{
	for (int host = 0; host < 2; host++) {
		if (network->namespaces[host] >= 0)
			close(network->namespaces[host]);
		if (network->ends[host] >= 0)
			close(network->ends[host]);
	}
	if (network->wake >= 0)
		close(network->wake);
	pthread_mutex_destroy(&network->lock);
	free(network);
}

struct network *network_new(char *reason, size_t reason_bytes)
{
	struct network *network = calloc(1, sizeof(*network));

	if (!network) {
		refuse(reason, reason_bytes, "no memory");
		return NULL;
	}
	for (int host = 0; host < 2; host++)
		network->namespaces[host] = network->ends[host] = -1;
	network->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&network->lock, NULL);
	if (make_namespaces(network, reason, reason_bytes) < 0 ||
	    set_up_wire(network, reason, reason_bytes) < 0 ||
	    set_up_host(network, NETWORK_TO_CLIENT, reason, reason_bytes) < 0 ||
	    set_up_host(network, NETWORK_TO_SERVER, reason, reason_bytes) < 0)
		goto close_network;
	if (network->wake < 0 || pthread_create(&network->thread, NULL, wire_run, network) != 0) {
		refuse(reason, reason_bytes, "no thread can be had for the wire");
		goto close_network;
	}
	return network;
close_network:
	network_close(network);
	return NULL;
}

void network_free(struct network *network)
{
	static const uint64_t one = 1;
	char fault[sizeof(network->fault)];

	if (!network)
		return;
	pthread_mutex_lock(&network->lock);
	network->stopping = true;
	pthread_mutex_unlock(&network->lock);
	ck_assert_int_eq(write(network->wake, &one, sizeof(one)), sizeof(one));
	pthread_join(network->thread, NULL);
	memcpy(fault, network->fault, sizeof(fault));
	network_close(network);
	ck_assert_msg(fault[0] == '\0', "%s", fault);
}

int network_enter_client(const struct network *network)
{
	return setns(network->namespaces[NETWORK_TO_CLIENT], CLONE_NEWNET);
}
