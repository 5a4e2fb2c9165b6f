/*-------------------------------------------------------------------------
 *
 * verdictscan.h
 *	  How a verdict in FROM is planned and executed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_VERDICTSCAN_H
#define AK_VERDICTSCAN_H

extern void ak_verdictscan_init(void);

#endif							/* AK_VERDICTSCAN_H */
