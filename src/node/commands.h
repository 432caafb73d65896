/* commands.h: the commands that run or prepare a node; the tools are in tools/. Each returns the
 * exit status of the process. Thread: main. */
#ifndef BNB_NODE_COMMANDS_H
#define BNB_NODE_COMMANDS_H

/* `barnabas start`: a single-node cluster out of nothing. */
int command_start(int argc, char **argv);
/* `barnabas server-start server.properties [--override k=v]...`: as kafka-server-start.sh. */
int command_server_start(int argc, char **argv);
int command_server_stop(int argc, char **argv);
/* storage_command.c: as kafka-storage.sh. */
int storage_command(int argc, char **argv);

#endif
