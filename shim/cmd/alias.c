/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim alias: asks the running daemon who is behind an alias, or which aliases a peer has. */
#include "shim/cmd/cmd.h"

int cmd_alias(int argc, char **argv)
{
	return command_ask_of(argc, argv, "alias [--socket PATH] ADDR[:PORT]", CONTROL_ALIAS);
}
