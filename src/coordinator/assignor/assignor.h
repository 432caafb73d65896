/* assignor.h: the assignors are in a folder of their own, since clients assign too. */
#ifndef BNB_COORDINATOR_ASSIGNOR_H
#define BNB_COORDINATOR_ASSIGNOR_H

#include "assignor/assignor.h"

#endif
