/*
 * The kernel's security associations, for a pluto on a kernel without ESP. Preloaded, this answers what pluto asks of
 * NETLINK_XFRM about them with "done"; no packet ever passes. SPIs and policies remain with the kernel.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 1024 };

static char is_xfrm[DESCRIPTORS];

/* The answer to the last request, until it is read: pluto asks from one thread, and reads before it asks again. */
static struct {
	struct nlmsghdr header;
	union {
		struct nlmsgerr done;
		struct xfrm_usersa_info sa;
	} body;
} answer;

static int is_ours(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS && is_xfrm[fd];
}

/* Answers a request about a security association; 0 for any other, which is the kernel's. */
static int take(const struct nlmsghdr *request)
{
	switch (request->nlmsg_type) {
	case XFRM_MSG_NEWSA:
	case XFRM_MSG_UPDSA:
	case XFRM_MSG_DELSA:
		memset(&answer, 0, sizeof answer);
		answer.header.nlmsg_type = NLMSG_ERROR; /* number 0: done */
		answer.header.nlmsg_len = NLMSG_LENGTH(sizeof answer.body.done);
		answer.body.done.msg = *request;
		break;
	case XFRM_MSG_GETSA: /* for its traffic: none */
		memset(&answer, 0, sizeof answer);
		answer.header.nlmsg_type = XFRM_MSG_NEWSA;
		answer.header.nlmsg_len = NLMSG_LENGTH(sizeof answer.body.sa);
		break;
	default:
		return 0;
	}
	answer.header.nlmsg_seq = request->nlmsg_seq;
	return 1;
}

int socket(int domain, int type, int protocol)
{
	int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	int fd = real(domain, type, protocol);
	if (fd >= 0 && fd < DESCRIPTORS)
		is_xfrm[fd] = domain == AF_NETLINK && protocol == NETLINK_XFRM;
	return fd;
}

ssize_t write(int fd, const void *octets, size_t count)
{
	ssize_t (*real)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	if (is_ours(fd) && count >= sizeof(struct nlmsghdr) && take(octets))
		return (ssize_t)count;
	return real(fd, octets, count);
}

typedef ssize_t receive(int, void *, size_t, int, struct sockaddr *, socklen_t *);

ssize_t recvfrom(int fd, void *octets, size_t room, int flags, struct sockaddr *from, socklen_t *from_length)
{
	receive *real = (receive *)dlsym(RTLD_NEXT, "recvfrom");
	size_t length = answer.header.nlmsg_len;
	if (!is_ours(fd) || length == 0 || length > room)
		return real(fd, octets, room, flags, from, from_length);
	memcpy(octets, &answer, length);
	answer.header.nlmsg_len = 0;
	if (from && from_length && *from_length >= sizeof(struct sockaddr_nl)) {
		struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
		memcpy(from, &kernel, sizeof kernel);
		*from_length = sizeof kernel;
	}
	return (ssize_t)length;
}
