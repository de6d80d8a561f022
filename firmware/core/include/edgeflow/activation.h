/* Sigmoid and tanh without libm: same bits on every target, bounded error. */
#ifndef EDGEFLOW_ACTIVATION_H
#define EDGEFLOW_ACTIVATION_H

/* Largest absolute error over all of float32, measured by the exhaustive sweep of firmware/tests. NaN stays NaN. */
#define EF_SIGMOID_MAX_ERROR 9e-8f
#define EF_TANH_MAX_ERROR 1.2e-7f
#define EF_TANH_MAX_RELATIVE_ERROR 3e-7f

/* Largest relative error of ef_exp between EF_EXP_LOWEST and EF_EXP_HIGHEST. */
#define EF_EXP_MAX_ERROR 2.5e-7f

#define EF_EXP_LOWEST (-87.0f) /* below, ef_exp is 0: no subnormal numbers, which targets treat differently */
#define EF_EXP_HIGHEST 88.7f   /* above, ef_exp is the largest float */

float ef_sigmoid(float x);
float ef_tanh(float x); /* odd to the bit */
float ef_exp(float x);

#endif
