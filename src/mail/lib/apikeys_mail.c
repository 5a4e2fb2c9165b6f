/*-------------------------------------------------------------------------
 *
 * apikeys_mail.c
 *	  Deliver a mail to a server over SMTP; a library of its own.
 *
 * Only the background worker loads this, so that no other backend links
 * libcurl.  A delivery is driven in small steps, because the worker has other
 * duties that cannot wait for a mail server.
 *
 * libcurl resolves names in threads.  They are started with all signals
 * blocked, so that PostgreSQL's signal handlers run only in its own thread;
 * libcurl itself is configured not to use signals.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef AK_HAVE_ZLIB
#include <zlib.h>
#endif

#include "fmgr.h"
#include "lib/stringinfo.h"

#include "core/clock.h"
#include "core/compat.h"
#include "mail/lib/apikeys_mail.h"

AK_MODULE_MAGIC("apikeys_mail");

#define HEADER_LINE_MAX 998  /* characters per line of a header, by RFC 5322 */
#define REPLY_MAX       200  /* bytes of a server's reply to repeat in an error */
#define GOODBYE_MS      2000 /* the server's time to answer QUIT */
#define SOCKETS_MAX     8

/* The current delivery */
static CURLM *multi = NULL;
static CURL *easy = NULL;
static curl_mime *mail = NULL;
static struct curl_slist *headers = NULL;
static struct curl_slist *recipients = NULL;
static bool data_begun;           /* the server has accepted DATA */
static char reply[REPLY_MAX + 1]; /* the last line of the server */
static char problem[CURL_ERROR_SIZE];

/* The open sockets */
static int sockets[SOCKETS_MAX];
static int socket_count = 0;

extern PGDLLEXPORT const AkMailLibrary *ak_mail_library(void);

/* Runs curl_multi_perform(), which may start threads, with all signals blocked. */
static CURLMcode
perform_steps(int *running)
{
	sigset_t all, before;
	CURLMcode code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = curl_multi_perform(multi, running);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

/* Sets the timeout of an answer. */
static CURLcode
set_answer_timeout(int milliseconds)
{
#if LIBCURL_VERSION_NUM >= 0x080600
	return curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT_MS, (long) milliseconds);
#else
	return curl_easy_setopt(easy, CURLOPT_FTP_RESPONSE_TIMEOUT, (long) ((milliseconds + 999) / 1000));
#endif
}

/*
 * Called for each line from the server.  Keeps its printable ASCII characters,
 * except for the answer to QUIT.  When the mail's result is known, libcurl
 * sends QUIT and waits for the answer, which blocks the worker: so the timeout
 * is short.
 */
static size_t
keep_reply(char *line, size_t size, size_t count, void *arg)
{
	size_t len = size * count;
	size_t kept = 0;

	if (len >= 3 && strncmp(line, "221", 3) == 0)
		return len;
	for (size_t i = 0; i < len && kept < REPLY_MAX; i++)
		if (line[i] >= ' ' && line[i] <= '~')
			reply[kept++] = line[i];
	reply[kept] = '\0';

	/* the mail was accepted or refused, or refused before by a code that no other answer has */
	if (data_begun || ((reply[0] == '4' || reply[0] == '5') && (reply[1] == '2' || reply[1] == '5')))
		(void) set_answer_timeout(GOODBYE_MS);
	if (strncmp(reply, "354", 3) == 0)
		data_begun = true;
	return len;
}

/* Called by libcurl to open a socket */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	int fd =
		socket_count < SOCKETS_MAX ? socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol) : -1;

	if (fd < 0)
		return CURL_SOCKET_BAD;
	sockets[socket_count++] = fd;
	return fd;
}

/* Called by libcurl to close a socket */
static int
close_socket(void *arg, curl_socket_t fd)
{
	for (int i = 0; i < socket_count; i++)
	{
		if (sockets[i] == fd)
		{
			sockets[i] = sockets[--socket_count];
			break;
		}
	}
	return close(fd);
}

static size_t
ignore_body(char *data, size_t size, size_t count, void *arg)
{
	return size * count;
}

/*
 * See AkMailLibrary.  Shuts the sockets down first: otherwise libcurl would
 * send QUIT and wait for the answer.
 */
static void
cancel_delivery(void)
{
	for (int i = 0; i < socket_count; i++)
		(void) shutdown(sockets[i], SHUT_RDWR);
	if (multi != NULL && easy != NULL)
		curl_multi_remove_handle(multi, easy);
	if (easy != NULL)
		curl_easy_cleanup(easy);
	if (multi != NULL)
		curl_multi_cleanup(multi);
	curl_mime_free(mail);
	curl_slist_free_all(headers);
	curl_slist_free_all(recipients);
	easy = NULL;
	multi = NULL;
	mail = NULL;
	headers = recipients = NULL;
}

/* Appends to a list of libcurl's; returns false if memory is short. */
static bool
append_to(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

/*
 * Returns true if this is one header, in ASCII, without lines that are too
 * long.  libcurl sends it unchanged: a line end that does not fold it would
 * begin another header.
 */
static bool
is_header(const char *header)
{
	size_t column = 0;

	for (const char *p = header; *p; p++)
	{
		if (p[0] == '\r' && p[1] == '\n' && p[2] == ' ')
		{
			p++;
			column = 0;
		}
		else if (*p < ' ' || *p > '~' || ++column > HEADER_LINE_MAX)
			return false;
	}
	return strchr(header, ':') != NULL;
}

/* Makes the headers and the two parts of a mail; returns false on failure. */
static bool
make_mail(const AkDelivery *delivery)
{
	curl_mimepart *body, *file;

	for (int i = 0; i < AK_MAIL_HEADERS_MAX && delivery->headers[i] != NULL; i++)
		if (!is_header(delivery->headers[i]) || !append_to(&headers, delivery->headers[i]))
			return false;
	return append_to(&recipients, delivery->to) && (mail = curl_mime_init(easy)) != NULL &&
		   (body = curl_mime_addpart(mail)) != NULL &&
		   curl_mime_data(body, delivery->body, CURL_ZERO_TERMINATED) == CURLE_OK &&
		   curl_mime_type(body, "text/plain; charset=utf-8") == CURLE_OK &&
		   curl_mime_encoder(body, "base64") == CURLE_OK && (file = curl_mime_addpart(mail)) != NULL &&
		   curl_mime_data(file, delivery->file, delivery->file_len) == CURLE_OK &&
		   curl_mime_type(file, delivery->file_type) == CURLE_OK &&
		   curl_mime_filename(file, delivery->file_name) == CURLE_OK && curl_mime_encoder(file, "base64") == CURLE_OK;
}

/* Sets all options; returns false if one cannot be set. */
static bool
set_options(const AkDelivery *delivery)
{
	bool ok = true;

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
	SET(CURLOPT_ERRORBUFFER, problem);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
#else
	SET(CURLOPT_PROTOCOLS, (long) (CURLPROTO_SMTP | CURLPROTO_SMTPS));
#endif
	SET(CURLOPT_PROXY, ""); /* ignore the environment */
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(CURLOPT_URL, delivery->url);

	SET(CURLOPT_USE_SSL, (long) (delivery->tls == AK_TLS_REQUIRED ? CURLUSESSL_ALL : CURLUSESSL_TRY));
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, (long) (delivery->tls != AK_TLS_UNVERIFIED));
	SET(CURLOPT_SSL_VERIFYHOST, (long) (delivery->tls != AK_TLS_UNVERIFIED ? 2 : 0));
	if (delivery->ca != NULL)
		SET(CURLOPT_CAINFO, delivery->ca);
	if (delivery->netrc != NULL)
	{
		SET(CURLOPT_NETRC, (long) CURL_NETRC_REQUIRED);
		SET(CURLOPT_NETRC_FILE, delivery->netrc);
	}

	SET(CURLOPT_MAIL_FROM, delivery->from);
	SET(CURLOPT_MAIL_RCPT, recipients);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_MIMEPOST, mail);
	SET(CURLOPT_HEADERFUNCTION, keep_reply);
	SET(CURLOPT_WRITEFUNCTION, ignore_body);

	/* timeouts: no connection or answer, no progress, and the whole delivery */
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) delivery->timeout);
	ok = ok && set_answer_timeout(delivery->timeout) == CURLE_OK;
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, (long) ((delivery->timeout + 999) / 1000));
	SET(CURLOPT_TIMEOUT_MS, (long) delivery->timeout * 20);
	/* close the connection at the end */
	SET(CURLOPT_FORBID_REUSE, 1L);
#undef SET
	return ok;
}

/* See AkMailLibrary. */
static bool
begin_delivery(const AkDelivery *delivery, StringInfo error)
{
	static bool initialized = false;

	cancel_delivery();
	if (!initialized && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
	{
		appendStringInfoString(error, "libcurl cannot be initialized");
		return false;
	}
	initialized = true;

	data_begun = false;
	reply[0] = problem[0] = '\0';
	multi = curl_multi_init();
	easy = curl_easy_init();
	if (multi == NULL || easy == NULL || !make_mail(delivery) || !set_options(delivery) ||
		curl_multi_add_handle(multi, easy) != CURLM_OK)
	{
		cancel_delivery();
		appendStringInfoString(error, "libcurl does not take the delivery");
		return false;
	}
	return true;
}

/*
 * Returns the result of a finished delivery.  A code of 5xx means that the
 * server will never accept this mail.  Exceptions are 53x, about our login or
 * TLS, which the administrator can fix.
 */
static AkDelivered
delivery_outcome(CURLcode code, StringInfo error)
{
	long status = 0;

	if (code == CURLE_OK)
		return AK_DELIVERED;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	appendStringInfoString(error, problem[0] != '\0' ? problem : curl_easy_strerror(code));
	if (reply[0] != '\0')
		appendStringInfo(error, "; the server's last answer: %s", reply);
	if (status >= 500 && status <= 599 && status / 10 != 53 && code != CURLE_LOGIN_DENIED)
		return AK_DELIVERY_REFUSED;
	return AK_DELIVERY_FAILED;
}

/* See AkMailLibrary. */
static AkDelivered
go_on_delivering(int milliseconds, StringInfo error)
{
	AkDelivered result = AK_DELIVERY_GOES_ON;
	CURLMcode code;
	CURLMsg *message;
	AkTicks until = ak_ticks() + AK_TICKS_OF_MS(milliseconds);
	AkTicks now;
	int running = 0;
	int left;

	if (multi == NULL)
	{
		appendStringInfoString(error, "no delivery is under way");
		return AK_DELIVERY_FAILED;
	}
	while ((code = perform_steps(&running)) == CURLM_OK && running > 0 && (now = ak_ticks()) < until)
	{
		code = curl_multi_poll(multi, NULL, 0, (until - now + 999) / 1000, NULL);
		if (code != CURLM_OK)
			break;
	}
	if (code != CURLM_OK)
	{
		appendStringInfoString(error, curl_multi_strerror(code));
		result = AK_DELIVERY_FAILED;
	}
	while (result == AK_DELIVERY_GOES_ON && (message = curl_multi_info_read(multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			result = delivery_outcome(message->data.result, error);
	if (result != AK_DELIVERY_GOES_ON)
		cancel_delivery();
	return result;
}

#ifdef AK_HAVE_ZLIB
/* See AkMailLibrary. */
static bool
compress_gzip(const char *data, size_t len, StringInfo out)
{
	z_stream stream = {0};
	bool done;

	/* adding 16 selects the gzip format */
	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	enlargeStringInfo(out, deflateBound(&stream, len));
	stream.next_in = (Bytef *) unconstify(char *, data);
	stream.avail_in = len;
	stream.next_out = (Bytef *) out->data + out->len;
	stream.avail_out = out->maxlen - out->len - 1;
	done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
	if (done)
	{
		out->len += stream.total_out;
		out->data[out->len] = '\0';
	}
	deflateEnd(&stream);
	return done;
}
#endif

static const AkMailLibrary library = {
	.version = AK_MAIL_LIBRARY_VERSION,
	.begin = begin_delivery,
	.go_on = go_on_delivering,
	.cancel = cancel_delivery,
#ifdef AK_HAVE_ZLIB
	.gzip = compress_gzip,
#endif
};

/* The function that the worker loads with load_external_function(). */
const AkMailLibrary *
ak_mail_library(void)
{
	return &library;
}
