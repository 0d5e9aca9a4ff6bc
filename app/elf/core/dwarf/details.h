/* What details_module.c adds to the module. */
#ifndef PROBESCOPE_DETAILS_H
#define PROBESCOPE_DETAILS_H

#include <Python.h>

extern PyMethodDef details_methods[];

#endif
