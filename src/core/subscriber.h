/*-------------------------------------------------------------------------
 *
 * subscriber.h
 *	  Whether the keys or the log of this database come from another one.  See
 *	  subscriber.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SUBSCRIBER_H
#define AK_SUBSCRIBER_H

extern void ak_subscriber_init(void);
extern bool ak_is_subscriber(void);
extern bool ak_takes_usage(void);
extern void ak_refuse_on_subscriber(void);

#endif /* AK_SUBSCRIBER_H */
