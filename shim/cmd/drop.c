/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim drop: asks the running daemon to end the sessions of a peer. */
#include "shim/cmd/cmd.h"

int cmd_drop(int argc, char **argv)
{
	return command_ask_of(argc, argv, "drop [--socket PATH] PEER[:PORT]", CONTROL_DROP);
}
